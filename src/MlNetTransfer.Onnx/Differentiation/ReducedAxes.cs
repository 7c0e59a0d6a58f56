namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>The axes of a reduction, which operator sets write as an attribute or as a second input.</summary>
internal static class ReducedAxes
{
    /// <summary>Axes that are reduced, each from 0 up to the rank, sorted.</summary>
    public static long[] Of(BackwardNode node)
    {
        int rank = node.InputShape(0).Length;
        long[] axes = node.Ints("axes") ?? node.ConstantInts(1) ?? [];
        if (axes.Length == 0)
            return node.Int("noop_with_empty_axes", 0) != 0 ? [] : [.. Enumerable.Range(0, rank).Select(i => (long)i)];
        return [.. axes.Select(a => a < 0 ? a + rank : a).Order()];
    }

    /// <summary>A tensor of the shape of the output, with the reduced axes kept at size 1.</summary>
    public static string Keep(BackwardNode node, long[] axes, string tensor)
    {
        long[] kept = [.. node.InputShape(0).Select((size, i) => axes.Contains(i) ? 1 : size)];
        return node.OutputShape().AsSpan().SequenceEqual(kept) ? tensor : node.Graph.Reshape(tensor, kept);
    }
}
