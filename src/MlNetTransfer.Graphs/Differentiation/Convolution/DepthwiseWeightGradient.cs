namespace MlNetTransfer.Graphs.Differentiation.Convolution;

/// <summary>
/// Every channel alone: per block of rows, dY's rows, shifted once for each column of the kernel, times the rows of X that they meet (a product over the width);
/// of its elements those of matching rows are picked and summed by a product with zeros and ones. Most of what is multiplied is thrown away, and still it is faster than a
/// multiplication and a sum for each tap, as long as blocks are short.
/// </summary>
internal static class DepthwiseWeightGradient
{
    private const long LargestBlock = 16, Block = 4;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long width = g.Input[1] + g.Begin[1] + g.End[1], height = g.Input[0] + g.Begin[0] + g.End[0];
        long rows = BlockRows(g.Output[0]), blocks = g.Output[0] / rows, met = g.Strides[0] * (rows - 1) + g.Extent(0), maps = g.Batch * g.Channels;
        string padded = WeightGradient.Padded(graph, g, x);
        if (blocks > 1 || met < height) padded = graph.Node("Gather", [padded, graph.Longs(Rows(blocks, rows * g.Strides[0], met))], Attributes.Of("axis", 2));
        string right = graph.Reshape(padded, maps * blocks, met, width);
        string left = graph.Concat([.. Shifted(graph, g, graph.Reshape(dy, maps * blocks, rows, g.Output[1]), width)], 1);
        string products = graph.Reshape(graph.FusedMatMul(left, right, transposeB: true), maps * blocks, g.Kernel[1] * rows * met);
        long taps = g.Kernel[0] * g.Kernel[1];
        string picked = graph.Reshape(graph.Node("MatMul", [products, Picker(graph, g, rows, met)]), g.Batch, g.Channels, blocks, taps);
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

    private static long[] Rows(long blocks, long step, long met) => [.. Enumerable.Range(0, (int)blocks).SelectMany(b => Enumerable.Range(0, (int)met).Select(r => b * step + r))];

    /// <summary>dY at the columns of the padded input that column j of the kernel meets, for each j.</summary>
    private static IEnumerable<string> Shifted(GraphEmitter graph, ConvGeometry g, string dy, long width)
    {
        long stride = g.Strides[1], maps = g.Batch * g.Channels, spread = g.Output[1] * stride, rows = g.Output[0];
        if (stride > 1)
        {
            string apart = graph.Node("Pad", [graph.Reshape(dy, maps * rows, g.Output[1], 1), graph.Longs(0, 0, 0, 0, 0, stride - 1)]);
            dy = graph.Reshape(apart, -1, BlockRows(rows), spread);
        }

        for (long j = 0; j < g.Kernel[1]; j++) yield return graph.Node("Pad", [dy, graph.Longs(0, 0, j * g.Dilations[1], 0, 0, width - spread - j * g.Dilations[1])]);
    }

    /// <summary>Zeros and ones [columns · rows · met, taps]: tap (i, j) of row h is in shift j, row h, against row h·stride + i·dilation.</summary>
    private static string Picker(GraphEmitter graph, ConvGeometry g, long rows, long met)
    {
        long taps = g.Kernel[0] * g.Kernel[1];
        float[] pick = new float[g.Kernel[1] * rows * met * taps];
        for (long j = 0; j < g.Kernel[1]; j++)
            for (long h = 0; h < rows; h++)
                for (long i = 0; i < g.Kernel[0]; i++) pick[((j * rows + h) * met + h * g.Strides[0] + i * g.Dilations[0]) * taps + i * g.Kernel[1] + j] = 1;
        return graph.Floats(pick, pick.Length / taps, taps);
    }
}
