namespace MlNetTransfer.Graphs.Differentiation.Convolution;

/// <summary>
/// Every channel alone: per block of rows, dY's rows, shifted once for each column of the kernel, times the rows of X that they meet (a product over the width);
/// of its elements those of matching rows are picked and summed by a product with zeros and ones. Most of what is multiplied is thrown away, and still it is faster than a
/// multiplication and a sum for each tap, as long as blocks are short. At stride s the columns of X are first sorted by their remainder, so that those that one column of
/// the kernel meets lie side by side.
/// </summary>
internal static class DepthwiseWeightGradient
{
    private const long LargestBlock = 16, Block = 4;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long stride = g.Strides[1], rows = BlockRows(g.Output[0]), blocks = g.Output[0] / rows, met = g.Strides[0] * (rows - 1) + g.Extent(0), taps = g.Kernel[0] * g.Kernel[1];
        long[] shifts = [.. Enumerable.Range(0, (int)g.Kernel[1]).Select(j => j * g.Dilations[1] / stride).Distinct()];
        long width = g.Output[1] + shifts[^1];
        string right = Met(graph, g, x, blocks, rows, met, width);
        string block = graph.Reshape(dy, g.Batch * g.Channels * blocks, rows, g.Output[1]);
        string left = graph.Concat([.. shifts.Select(shift => graph.Node("Pad", [block, graph.Longs(0, 0, shift, 0, 0, width - g.Output[1] - shift)]))], 1);
        string products = graph.Reshape(graph.FusedMatMul(left, right, transposeB: true), g.Batch * g.Channels * blocks, shifts.Length * rows * stride * met);
        string picked = graph.Reshape(graph.Node("MatMul", [products, Picker(graph, g, shifts, rows, met)]), g.Batch, g.Channels, blocks, taps);
        return graph.Reshape(graph.ReduceSum(picked, [0, 2]), [g.Channels, 1, .. g.Kernel]);
    }

    /// <summary>Small maps are one block; larger ones go into blocks of 4 rows, or of the next smaller number that divides.</summary>
    private static long BlockRows(long height)
    {
        if (height <= LargestBlock) return height;
        long rows = Block;
        while (height % rows != 0) rows--;
        return rows;
    }

    /// <summary>The rows of the padded input that each block meets [maps·blocks, stride·met, width], sorted by the remainder of the column.</summary>
    private static string Met(GraphEmitter graph, ConvGeometry g, string x, long blocks, long rows, long met, long width)
    {
        long stride = g.Strides[1], height = g.Input[0] + g.Begin[0] + g.End[0], maps = g.Batch * g.Channels * blocks;
        // Columns beyond those that a tap meets are cut off, so the pad may be negative.
        string padded = graph.Node("Pad", [x, graph.Longs(0, 0, g.Begin[0], g.Begin[1], 0, 0, g.End[0], width * stride - g.Input[1] - g.Begin[1])]);
        long[] index = [.. Enumerable.Range(0, (int)blocks).SelectMany(b => Enumerable.Range(0, (int)met).Select(r => b * rows * g.Strides[0] + r))];
        if (blocks > 1 || met < height) padded = graph.Node("Gather", [padded, graph.Longs(index)], Attributes.Of("axis", 2));
        return stride == 1
            ? graph.Reshape(padded, maps, met, width)
            : graph.Reshape(graph.Transpose(graph.Reshape(padded, maps, met, width, stride), 0, 3, 1, 2), maps, stride * met, width);
    }

    /// <summary>Zeros and ones [shifts · rows · stride · met, taps]: tap (i, j) of row h is in the shift of column j, row h, against remainder j·dilation mod stride, row h·stride + i·dilation.</summary>
    private static string Picker(GraphEmitter graph, ConvGeometry g, long[] shifts, long rows, long met)
    {
        long taps = g.Kernel[0] * g.Kernel[1], stride = g.Strides[1];
        float[] pick = new float[shifts.Length * rows * stride * met * taps];
        for (long i = 0; i < g.Kernel[0]; i++)
            for (long j = 0; j < g.Kernel[1]; j++)
            {
                long column = j * g.Dilations[1], shift = Array.IndexOf(shifts, column / stride);
                for (long h = 0; h < rows; h++)
                {
                    long row = ((shift * rows + h) * stride + column % stride) * met + h * g.Strides[0] + i * g.Dilations[0];
                    pick[row * taps + i * g.Kernel[1] + j] = 1;
                }
            }

        return graph.Floats(pick, pick.Length / taps, taps);
    }
}
