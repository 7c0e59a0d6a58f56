using static System.MathF;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Element-wise functions of one input, y = f(x): dx = dy·f'(x).</summary>
internal sealed class FunctionGradient : IOperatorGradient
{
    /// <summary>f'(x), written in terms of y where that is cheaper. |x| has slope 0 at 0, as in PyTorch.</summary>
    private static readonly Dictionary<string, Func<BackwardNode, string>> Derivatives = new()
    {
        ["Abs"] = n => n.Graph.Node("Sign", [n.Input(0)]),
        ["Cos"] = n => n.Graph.Neg(n.Graph.Node("Sin", [n.Input(0)])),
        ["Erf"] = n => n.Graph.Mul(n.Graph.Exp(n.Graph.Neg(n.Graph.Mul(n.Input(0), n.Input(0)))), 2 / Sqrt(PI)),
        ["Exp"] = n => n.Output(),
        ["Log"] = n => n.Graph.Node("Reciprocal", [n.Input(0)]),
        ["Reciprocal"] = n => n.Graph.Neg(n.Graph.Mul(n.Output(), n.Output())),
        ["Sigmoid"] = n => n.Graph.Mul(n.Output(), n.Graph.OneMinus(n.Output())),
        ["Sin"] = n => n.Graph.Node("Cos", [n.Input(0)]),
        ["Softplus"] = n => n.Graph.Node("Sigmoid", [n.Input(0)]),
        ["Softsign"] = n => Square(n, n.Graph.OneMinus(n.Graph.Node("Abs", [n.Output()]))),
        ["Sqrt"] = n => n.Graph.Div(n.Graph.Scalar(0.5f), n.Output()),
        ["Tanh"] = n => n.Graph.OneMinus(n.Graph.Mul(n.Output(), n.Output())),
    };

    public IReadOnlyList<string> Operators => [.. Derivatives.Keys];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Mul(Derivatives[node.Operator](node), node.CompactGradient().Tensor)];

    private static string Square(BackwardNode node, string tensor) => node.Graph.Mul(tensor, tensor);
}
