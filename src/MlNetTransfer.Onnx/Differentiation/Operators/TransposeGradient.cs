namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Axes in another order: dx = dy with its axes put back.</summary>
internal sealed class TransposeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Transpose"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        int rank = node.InputShape(0).Length;
        long[] order = node.Ints("perm") ?? [.. Enumerable.Range(0, rank).Select(i => (long)(rank - 1 - i))];
        long[] back = [.. Enumerable.Range(0, rank).Select(i => (long)Array.IndexOf(order, i))];
        Gradient dy = node.CompactGradient();
        return [dy with { Tensor = node.Graph.Transpose(dy.Tensor, back) }];
    }
}
