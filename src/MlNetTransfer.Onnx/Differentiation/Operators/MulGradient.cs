namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a·b: da = dy·b, db = dy·a.</summary>
internal sealed class MulGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Mul"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? node.Unbroadcast(node.Graph.Mul(dy, node.Input(1))!, 0) : null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Mul(dy, node.Input(0))!, 1) : null,
        ];
    }
}
