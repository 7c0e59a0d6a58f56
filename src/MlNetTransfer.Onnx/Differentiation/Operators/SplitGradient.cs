namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// A tensor cut along an axis: dx is the gradients of its parts put together, with zeros for parts that reach nothing.
/// </summary>
internal sealed class SplitGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Split"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        int axis = node.Axis(0);
        int[] present = [.. Enumerable.Range(0, node.OutputCount).Where(node.HasGradient)];
        string[] gradients = [.. present.Select(i => node.OutputGradient(i))];
        if (present.Length == node.OutputCount)
            return [node.Graph.Concat(gradients, axis)];
        long whole = node.InputShape(0)[axis];
        long[] ends = new long[node.OutputCount];
        for (int i = 0; i < ends.Length; i++)
            ends[i] = (i == 0 ? 0 : ends[i - 1]) + node.OutputShape(i)[axis];
        int rank = node.InputShape(0).Length;
        string[] padded =
        [
            .. present.Zip(
                gradients,
                (part, dy) => node.Graph.PadAxis(dy, rank, axis, part == 0 ? 0 : ends[part - 1], whole - ends[part])
            ),
        ];
        return [padded.Length == 1 ? padded[0] : node.Graph.Node("Sum", padded)];
    }
}
