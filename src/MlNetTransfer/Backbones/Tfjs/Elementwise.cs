namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Operators of two tensors that broadcast.</summary>
internal static class Elementwise
{
    /// <param name="op">ONNX operator: Add, Sub, Mul, Div, Max, Min.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="a">First operand.</param>
    /// <param name="b">Second operand; either may be a constant.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Write(string op, TfGraphWriter graph, TfValue a, TfValue b, string name)
    {
        bool channelsFirst = (a.ChannelsFirst && Follows(b, a)) || (b.ChannelsFirst && Follows(a, b));
        (string left, string right) = (Operand(graph, a, channelsFirst), Operand(graph, b, channelsFirst));
        return graph.Node(op, new TfValue(name, Broadcast(a.Shape, b.Shape, name), channelsFirst), [left, right]);
    }

    /// <summary>
    /// Whether a value can be brought into NCHW for nothing, or has to be because the other is an image.
    /// </summary>
    private static bool Follows(TfValue value, TfValue image) =>
        value.ChannelsFirst || value.Constant is not null || value.Rank == image.Rank;

    private static string Operand(TfGraphWriter graph, TfValue value, bool channelsFirst)
    {
        if (!channelsFirst)
            return graph.Written(graph.InOrder(value));
        if (value.Constant is null)
            return graph.Images(value).Name;
        if (value.Rank == 0)
            return graph.Written(value);
        long[] padded = [.. Enumerable.Repeat(1L, 4 - value.Rank), .. value.Shape];
        return graph.Constant(value.Constant.Reshape(padded).Permute(0, 3, 1, 2) with { Name = value.Name });
    }

    private static long[] Broadcast(IReadOnlyList<long> a, IReadOnlyList<long> b, string name)
    {
        long[] shape = new long[Math.Max(a.Count, b.Count)];
        for (int i = 1; i <= shape.Length; i++)
        {
            long x = i <= a.Count ? a[^i] : 1,
                y = i <= b.Count ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
                throw new TfjsException(
                    $"'{name}': shapes [{string.Join(", ", a)}] and [{string.Join(", ", b)}] do not broadcast."
                );
            shape[^i] = x == 1 ? y : x;
        }

        return shape;
    }
}
