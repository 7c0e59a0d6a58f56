using static System.MathF;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Activations with parameters of their own: dx = dy·f'(x). At a kink the slope is the one PyTorch takes: that of the
/// left side, and 0 at both ends of HardSigmoid.
/// </summary>
internal sealed class ActivationGradient : IOperatorGradient
{
    private static readonly Dictionary<string, Func<BackwardNode, string>> Derivatives = new()
    {
        ["Celu"] = n =>
            Rectified(n, 1, n.Graph.Add(n.Graph.Mul(n.Output(), 1 / n.Float("alpha", 1)), n.Graph.Scalar(1))),
        ["Elu"] = n => Rectified(n, 1, n.Graph.Add(n.Output(), n.Graph.Scalar(n.Float("alpha", 1)))),
        ["Gelu"] = n => n.Text("approximate", "none") == "tanh" ? GeluTanh(n) : Gelu(n),
        ["HardSigmoid"] = n => n.Graph.Mul(Inside(n, n.Output()), n.Float("alpha", 0.2f)),
        ["HardSwish"] = HardSwish,
        ["LeakyRelu"] = n => Rectified(n, 1, n.Graph.Scalar(n.Float("alpha", 0.01f))),
        ["Mish"] = Mish,
        ["Selu"] = Selu,
        ["ThresholdedRelu"] = n => n.Graph.IsPositive(n.Graph.Sub(n.Input(0), n.Graph.Scalar(n.Float("alpha", 1)))),
    };

    public IReadOnlyList<string> Operators => [.. Derivatives.Keys];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Mul(Derivatives[node.Operator](node), node.CompactGradient().Tensor)];

    private static string Rectified(BackwardNode node, float positive, string other) =>
        node.Graph.Node(
            "Where",
            [node.Graph.Node("Greater", [node.Input(0), node.Graph.Scalar(0)]), node.Graph.Scalar(positive), other]
        );

    /// <summary>1 where 0 &lt; h &lt; 1, else 0.</summary>
    private static string Inside(BackwardNode node, string h) =>
        node.Graph.IsPositive(node.Graph.Mul(h, node.Graph.OneMinus(h)));

    /// <summary>γ·x or γ·α·(exp(x) - 1), whose slope is y + γ·α.</summary>
    private static string Selu(BackwardNode node)
    {
        float alpha = node.Float("alpha", 1.6732632f),
            gamma = node.Float("gamma", 1.0507010f);
        return Rectified(node, gamma, node.Graph.Add(node.Output(), node.Graph.Scalar(alpha * gamma)));
    }

    /// <summary>x·h with h = HardSigmoid(x), of α = 1/6: h + x/6 where 0 &lt; h &lt; 1.</summary>
    private static string HardSwish(BackwardNode node)
    {
        string h = node.Graph.Node(
            "HardSigmoid",
            [node.Input(0)],
            Attributes.Of("alpha", 1 / 6f),
            Attributes.Of("beta", 0.5f)
        );
        return node.Graph.Add(h, node.Graph.Mul(node.Graph.Mul(node.Input(0), 1 / 6f), Inside(node, h)));
    }

    /// <summary>x·Φ(x): Φ(x) + x·φ(x), Φ and φ being the normal distribution and its density.</summary>
    private static string Gelu(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            distribution = graph.Mul(graph.Add(graph.Node("Erf", [graph.Mul(x, 1 / Sqrt(2))]), graph.Scalar(1)), 0.5f);
        string density = graph.Mul(graph.Exp(graph.Mul(graph.Mul(x, x), -0.5f)), 1 / Sqrt(2 * PI));
        return graph.Add(distribution, graph.Mul(x, density));
    }

    /// <summary>½·x·(1 + t), t = tanh(u), u = √(2/π)·(x + 0.044715·x³): ½·(1 + t) + ½·x·(1 - t²)·u'.</summary>
    private static string GeluTanh(BackwardNode node)
    {
        const float Cubic = 0.044715f;
        float root = Sqrt(2 / PI);
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            square = graph.Mul(x, x);
        string t = graph.Node("Tanh", [graph.Mul(x, graph.Add(graph.Mul(square, Cubic * root), graph.Scalar(root)))]);
        string slope = graph.Add(graph.Mul(square, 3 * Cubic * root), graph.Scalar(root));
        string curved = graph.Mul(graph.Mul(x, slope), graph.OneMinus(graph.Mul(t, t)));
        return graph.Mul(graph.Add(graph.Add(curved, t), graph.Scalar(1)), 0.5f);
    }

    /// <summary>x·t with t = tanh(softplus(x)): t + x·(1 - t²)·sigmoid(x).</summary>
    private static string Mish(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            t = graph.Node("Tanh", [graph.Node("Softplus", [x])]);
        return graph.Add(t, graph.Mul(graph.Mul(x, graph.OneMinus(graph.Mul(t, t))), graph.Node("Sigmoid", [x])));
    }
}

/// <summary>y = max(x, 0): dx = dy where y &gt; 0, else 0, as PyTorch has it at 0.</summary>
internal sealed class ReluGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Relu"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [
            node.Graph.HasKernels && !node.CompactGradient().Compact
                ? node.Graph.Gate(node.OutputGradient(), node.Output(), 0, float.PositiveInfinity, node.OutputShape())
                : node.Graph.Mul(node.Graph.IsPositive(node.Output()), node.CompactGradient().Tensor),
        ];
}

/// <summary>y = x where x &gt; 0, else s·x: dx = dy, or s·dy; ds = Σ dy·min(x, 0).</summary>
internal sealed class PReluGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["PRelu"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            dy = node.OutputGradient();
        string? input = null,
            slope = null;
        if (node.Needs(0))
            input = graph.Mul(
                dy,
                graph.Node("Where", [graph.Node("Greater", [x, graph.Scalar(0)]), graph.Scalar(1), node.Input(1)])
            );
        if (node.Needs(1))
            slope = graph.Mul(dy, graph.Node("Min", [x, graph.Scalar(0)]));
        return [input, slope is null ? null : node.Unbroadcast(slope!, 1)];
    }
}

/// <summary>
/// y = min(max(x, low), high), ReLU6 among others: dx = dy strictly between the bounds, else 0, as PyTorch's ReLU6 and
/// hardtanh have it.
/// </summary>
internal sealed class ClipGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Clip"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Needs(1) || node.Needs(2))
            throw node.Unsupported("bounds that are trained");
        if (
            node.Graph.HasKernels
            && !node.CompactGradient().Compact
            && Bound(node, 1) is { } low
            && Bound(node, 2) is { } high
        )
            return
            [
                float.IsInfinity(low) && float.IsInfinity(high)
                    ? node.CompactGradient()
                    : node.Graph.Gate(node.OutputGradient(), node.Output(), low, high, node.OutputShape()),
            ];
        string? above = node.HasInput(1) ? Above(node) : null,
            below = node.HasInput(2) ? node.Graph.Sub(node.Input(2), node.Output()) : null;
        if (above is null && below is null)
            return [node.CompactGradient()];
        string inside =
            above is null ? below!
            : below is null ? above
            : node.Graph.Mul(above, below);
        return [node.Graph.Mul(node.Graph.IsPositive(inside), node.CompactGradient().Tensor)];
    }

    /// <summary>A bound that is a constant, infinite where there is none; null where it is computed.</summary>
    private static float? Bound(BackwardNode node, int input) =>
        !node.HasInput(input) ? (input == 1 ? float.NegativeInfinity : float.PositiveInfinity)
        : node.KnownFloats(input) is [var bound] ? bound
        : null;

    private static string Above(BackwardNode node) =>
        node.KnownFloats(1) is [0f] ? node.Output() : node.Graph.Sub(node.Output(), node.Input(1));
}

/// <summary>Element-wise functions of one input, y = f(x): dx = dy·f'(x).</summary>
internal sealed class FunctionGradient : IOperatorGradient
{
    /// <summary>
    /// f'(x), written in terms of y where that is cheaper. |x| and sign(x) have slope 0 at 0, as in PyTorch.
    /// </summary>
    private static readonly Dictionary<string, Func<BackwardNode, string>> Derivatives = new()
    {
        ["Abs"] = n => n.Graph.Node("Sign", [n.Input(0)]),
        ["Cos"] = n => n.Graph.Neg(n.Graph.Node("Sin", [n.Input(0)])),
        ["Erf"] = n => n.Graph.Mul(n.Graph.Exp(n.Graph.Neg(n.Graph.Mul(n.Input(0), n.Input(0)))), 2 / Sqrt(PI)),
        ["Exp"] = n => n.Output(),
        ["Log"] = n => n.Graph.Node("Reciprocal", [n.Input(0)]),
        ["Reciprocal"] = n => n.Graph.Neg(n.Graph.Mul(n.Output(), n.Output())),
        ["Sigmoid"] = n => n.Graph.Mul(n.Output(), n.Graph.OneMinus(n.Output())),
        ["Sign"] = n => n.Graph.Scalar(0),
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

/// <summary>y = exp(x) / Σ exp(x) over an axis: dx = y·(dy - Σ dy·y).</summary>
internal sealed class SoftmaxGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Softmax"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            y = node.Output();
        string inner = node.Graph.ReduceSum(node.Graph.Mul(dy, y), [node.Int("axis", -1)], keep: true);
        return [node.Graph.Mul(y, node.Graph.Sub(dy, inner))];
    }
}

/// <summary>y = x - ln Σ exp(x) over an axis: dx = dy - exp(y)·Σ dy.</summary>
internal sealed class LogSoftmaxGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LogSoftmax"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            sum = node.Graph.ReduceSum(dy, [node.Int("axis", -1)], keep: true);
        return [node.Graph.Sub(dy, node.Graph.Mul(node.Graph.Exp(node.Output()), sum))];
    }
}
