namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>What every tap sees, as a matrix (im2col), times dY.</summary>
internal static class ColumnsWeightGradient
{
    /// <summary>dW [M, taps·C] = dY [M, N·P] · columnsᵀ [N·P, taps·C]: one product for all images.</summary>
    public static string WholeBatch(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        string images = graph.Transpose(WeightGradient.Padded(graph, g, x), 1, 0, 2, 3);
        string columns = graph.Concat([.. Seen(graph, g, images).Select(s => graph.Reshape(s, g.Channels, -1))], 0);
        string left = graph.Reshape(graph.Transpose(dy, 1, 0, 2, 3), g.Filters, -1);
        return WeightGradient.FromTapMajor(graph, g, graph.FusedMatMul(left, columns, transposeB: true));
    }

    /// <summary>dW = Σ over images of dY [M, P] · columnsᵀ [P, taps·C].</summary>
    public static string PerImage(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        string columns = graph.Concat(
            [
                .. Seen(graph, g, WeightGradient.Padded(graph, g, x))
                    .Select(s => graph.Reshape(s, g.Batch, g.Channels, -1)),
            ],
            1
        );
        string perImage = graph.FusedMatMul(graph.Reshape(dy, g.Batch, g.Filters, -1), columns, transposeB: true);
        return WeightGradient.FromTapMajor(graph, g, graph.ReduceSum(perImage, [0]));
    }

    /// <summary>Of each tap, row by row, the part of the padded input that it meets.</summary>
    private static IEnumerable<string> Seen(GraphEmitter graph, ConvGeometry g, string padded)
    {
        for (long i = 0; i < g.Kernel[0]; i++)
        for (long j = 0; j < g.Kernel[1]; j++)
        {
            long[] starts = [i * g.Dilations[0], j * g.Dilations[1]],
                ends = g.Per(a => starts[a] + g.Strides[a] * (g.Output[a] - 1) + 1);
            yield return g.UnitStride
                ? graph.Slice(padded, [2, 3], starts, ends)
                : graph.Slice(padded, [2, 3], starts, ends, g.Strides);
        }
    }
}
