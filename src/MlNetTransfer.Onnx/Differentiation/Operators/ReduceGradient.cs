namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Sum or mean over axes: dx = dy repeated along them, for the mean divided by the number of elements. It stays as
/// small as dy.
/// </summary>
internal sealed class ReduceGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["ReduceMean", "ReduceSum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            axes = ReducedAxes.Of(node);
        long count = axes.Aggregate(1L, (a, axis) => a * x[axis]);
        long[] kept = [.. x.Select((size, i) => axes.Contains(i) ? 1 : size)];
        string dy = node.OutputGradient();
        if (!node.OutputShape().AsSpan().SequenceEqual(kept))
            dy = node.Graph.Reshape(dy, kept);
        if (node.Operator == "ReduceMean" && count > 1)
            dy = node.Graph.Mul(dy, 1f / count);
        return [new Gradient(dy, Compact: true)];
    }
}
