namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// Gradient of a convolution by its kernel: dW[m, c, t] = Σ over images and positions of dY[n, m, p] · X[n, c, p·stride
/// + t·dilation - pad]. This is the one place where the shape decides how it is computed; the limits are measured
/// (decision 008).
/// </summary>
internal static class WeightGradient
{
    /// <summary>
    /// Maps of at least this many positions keep one product per image; smaller ones are put together for the whole
    /// batch.
    /// </summary>
    private const long LargeMap = 28 * 28;

    /// <summary>One product per image is slow where maps are smaller than this.</summary>
    private const long SmallMap = 7 * 7;

    /// <summary>Up to this many channels (of an image) the convolution of channels by channels wins.</summary>
    private const long FewChannels = 4;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long map = g.Output.Aggregate(1L, (a, b) => a * b);
        if (g.Depthwise && g.Axes == 2)
            return DepthwiseWeightGradient.Emit(graph, g, x, dy);
        if (g.Groups != 1 || g.Axes != 2 || g.Channels <= FewChannels)
            return SwappedWeightGradient.Emit(graph, g, x, dy);
        if (g.Pointwise)
            return PointwiseWeightGradient.Emit(graph, g, x, dy, wholeBatch: map <= SmallMap);
        if (map < LargeMap)
            return ColumnsWeightGradient.WholeBatch(graph, g, x, dy);
        return g.UnitStride
            ? ShiftedWeightGradient.Emit(graph, g, x, dy)
            : ColumnsWeightGradient.PerImage(graph, g, x, dy);
    }

    /// <summary>The input with its pads as zeros, and further rows below.</summary>
    public static string Padded(GraphEmitter graph, ConvGeometry g, string x, long rowsBelow = 0)
    {
        long[] pads = [0, 0, .. g.Begin, 0, 0, .. g.End];
        pads[4 + g.Axes] += rowsBelow;
        return Array.TrueForAll(pads, p => p == 0) ? x : graph.Node("Pad", [x, graph.Longs(pads)]);
    }

    /// <summary>[M, taps·C], tap by tap, → [M, C, kernel].</summary>
    public static string FromTapMajor(GraphEmitter graph, ConvGeometry g, string weights)
    {
        long taps = g.Kernel[0] * g.Kernel[1];
        return graph.Reshape(
            graph.Transpose(graph.Reshape(weights, g.Filters, taps, g.Channels), 0, 2, 1),
            [g.Filters, g.Channels, .. g.Kernel]
        );
    }
}
