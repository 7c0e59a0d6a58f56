namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// At stride 1 a tap sees the padded map, read as one long row, from an offset on; dY is padded with zeros to the same
/// width, so that what the long row holds beyond the end of a line meets a zero. So each tap is one contiguous slice
/// per channel and one product per image; short slices per line cost more than the products.
/// </summary>
internal static class ShiftedWeightGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long width = g.Input[1] + g.Begin[1] + g.End[1],
            length = g.Output[0] * width,
            rowsBelow = (g.Extent(1) - 1 + width - 1) / width;
        string row = graph.Reshape(WeightGradient.Padded(graph, g, x, rowsBelow), g.Batch, g.Channels, -1);
        string wide =
            width == g.Output[1] ? dy : graph.Node("Pad", [dy, graph.Longs(0, 0, 0, 0, 0, 0, 0, width - g.Output[1])]);
        string left = graph.Reshape(wide, g.Batch, g.Filters, length);
        List<string> taps = [];
        for (long i = 0; i < g.Kernel[0]; i++)
        for (long j = 0; j < g.Kernel[1]; j++)
        {
            long start = i * g.Dilations[0] * width + j * g.Dilations[1];
            taps.Add(
                graph.ReduceSum(
                    graph.FusedMatMul(left, graph.Slice(row, [2], [start], [start + length]), transposeB: true),
                    [0]
                )
            );
        }

        return WeightGradient.FromTapMajor(graph, g, graph.Concat(taps, 1));
    }
}
