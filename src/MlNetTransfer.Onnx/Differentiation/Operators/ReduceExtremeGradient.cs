namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Largest or smallest element over axes, or of each map: dy goes to the element that has it; those that tie share it
/// equally, as PyTorch's amax and amin have it.
/// </summary>
internal sealed class ReduceExtremeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GlobalMaxPool", "ReduceMax", "ReduceMin"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] axes =
            node.Operator == "GlobalMaxPool"
                ? [.. Enumerable.Range(2, node.InputShape(0).Length - 2).Select(i => (long)i)]
                : ReducedAxes.Of(node);
        if (axes.Length == 0)
            return [node.CompactGradient()];
        string attained = graph.IsEqual(node.Input(0), ReducedAxes.Keep(node, axes, node.Output()));
        string share = graph.Div(
            ReducedAxes.Keep(node, axes, node.OutputGradient()),
            graph.ReduceSum(attained, axes, keep: true)
        );
        return [graph.Mul(attained, share)];
    }
}
