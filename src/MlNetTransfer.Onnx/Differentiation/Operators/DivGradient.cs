namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a / b: da = dy / b, db = -dy·y / b.</summary>
internal sealed class DivGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Div"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string quotient = node.Graph.Div(node.OutputGradient(), node.Input(1));
        return
        [
            node.Needs(0) ? node.Unbroadcast(quotient!, 0) : null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Neg(node.Graph.Mul(quotient, node.Output()))!, 1) : null,
        ];
    }
}
