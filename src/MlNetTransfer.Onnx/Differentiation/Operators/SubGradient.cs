namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a - b: da = dy, db = -dy.</summary>
internal sealed class SubGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Sub"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        Gradient? right = node.Needs(1) ? node.Unbroadcast(dy, 1) : null;
        return
        [
            node.Needs(0) ? node.Unbroadcast(dy, 0) : null,
            right is null ? null : right with { Tensor = node.Graph.Neg(right.Tensor) },
        ];
    }
}
