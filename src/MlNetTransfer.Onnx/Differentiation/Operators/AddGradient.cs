namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a + b: da = db = dy.</summary>
internal sealed class AddGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Add"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        return [node.Needs(0) ? node.Unbroadcast(dy, 0) : null, node.Needs(1) ? node.Unbroadcast(dy, 1) : null];
    }
}
