namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Broadcasting on the way back: what was repeated is summed.</summary>
internal static class Broadcasting
{
    /// <summary>
    /// Sums a gradient over the axes on which a tensor was broadcast (NumPy's rules: shapes are aligned at the last
    /// axis).
    /// </summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="gradient">Gradient of shape <paramref name="from"/>.</param>
    /// <param name="from">Shape after broadcasting.</param>
    /// <param name="to">Shape before.</param>
    public static string Undo(GraphEmitter graph, string gradient, long[] from, long[] to)
    {
        if (from.AsSpan().SequenceEqual(to))
            return gradient;
        int added = from.Length - to.Length;
        // Axes that are 1 anyway count among those summed: the runtime sums the end of a shape 30 times as fast as an
        // axis before others of 1.
        int[] ones = [.. Enumerable.Range(0, from.Length).Where(i => i < added || to[i - added] == 1)];
        string summed = Array.TrueForAll(ones, i => from[i] == 1)
            ? gradient
            : graph.ReduceSum(gradient, [.. ones.Select(i => (long)i)], keep: true);
        return added == 0 ? summed : graph.Reshape(summed, to);
    }
}
