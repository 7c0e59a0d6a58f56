namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// Every channel alone: dY's rows, spread over the width of X once for each column of the kernel, times the rows of X
/// that their block meets (a product over the width); of its elements those of matching rows are picked and summed by a
/// product with zeros and ones. Most of what is multiplied is thrown away, and still it is faster than a multiplication
/// and a sum for each tap. Pads are never written: what meets them is not spread, or not picked.
/// </summary>
internal static class DepthwiseWeightGradient
{
    /// <summary>Rows of X that a block meets, at most: products are computed 16 columns at a time.</summary>
    private const long MostMet = 16;

    /// <summary>
    /// Rows wider than this are spread by copies, narrower ones by a product with zeros and ones: 15 against 21 ms for
    /// 129,024 rows of 56, 4 against 2.4 for 86,016 of 28 (one thread of a busy machine).
    /// </summary>
    private const long WideRow = 32;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long rows = BlockRows(g),
            blocks = g.Output[0] / rows,
            met = Met(g, rows, blocks),
            maps = g.Batch * g.Channels;
        string left = graph.Reshape(Spread(graph, g, dy), maps * blocks, rows * g.Kernel[1], g.Input[1]);
        string right =
            blocks == 1
                ? x
                : graph.Node(
                    "Gather",
                    [x, graph.Longs([.. Enumerable.Range(0, (int)blocks).SelectMany(b => Rows(g, b * rows, met))])],
                    Attributes.Of("axis", 2)
                );
        string products = graph.FusedMatMul(
            left,
            graph.Reshape(right, maps * blocks, met, g.Input[1]),
            transposeB: true
        );
        string picked = graph.Node("MatMul", [graph.Reshape(products, maps, -1), Picker(graph, g, rows, blocks, met)]);
        return graph.Reshape(graph.ReduceSum(graph.Reshape(picked, g.Batch, -1), [0]), [g.Channels, 1, .. g.Kernel]);
    }

    /// <summary>
    /// A map of few rows is one block; another is cut into as large ones as meet <see cref="MostMet"/> rows at most.
    /// </summary>
    private static long BlockRows(ConvGeometry g)
    {
        if (g.Input[0] <= MostMet)
            return g.Output[0];
        long rows = Math.Min(g.Output[0], Math.Max(1, (MostMet - g.Extent(0)) / g.Strides[0] + 1));
        while (g.Output[0] % rows != 0)
            rows--;
        return rows;
    }

    private static long Met(ConvGeometry g, long rows, long blocks) =>
        blocks == 1 ? g.Input[0] : Math.Min(g.Input[0], g.Strides[0] * (rows - 1) + g.Extent(0));

    /// <summary>
    /// The rows of X that a block is multiplied with: those it meets, moved inwards where it meets pads.
    /// </summary>
    private static IEnumerable<long> Rows(ConvGeometry g, long first, long met)
    {
        long start = Math.Clamp(first * g.Strides[0] - g.Begin[0], 0, g.Input[0] - met);
        return Enumerable.Range(0, (int)met).Select(r => start + r);
    }

    /// <summary>
    /// [maps·rows, columns · width of X]: element w of a row at w·stride + j·dilation - pad for each column j of the
    /// kernel, zeros elsewhere.
    /// </summary>
    private static string Spread(GraphEmitter graph, ConvGeometry g, string dy)
    {
        string flat = graph.Reshape(dy, -1, g.Output[1]);
        long Place(long column) => column * g.Dilations[1] - g.Begin[1];
        if (g.Input[1] > WideRow && g.Strides[1] == 1)
            return graph.Concat(
                [
                    .. Enumerable
                        .Range(0, (int)g.Kernel[1])
                        .Select(j => graph.Pad(flat, 0, Place(j), 0, g.Input[1] - g.Output[1] - Place(j))),
                ],
                1
            );
        long width = g.Kernel[1] * g.Input[1];
        float[] spread = new float[g.Output[1] * width];
        for (long w = 0; w < g.Output[1]; w++)
        for (long j = 0; j < g.Kernel[1]; j++)
            if (w * g.Strides[1] + Place(j) is var at && at >= 0 && at < g.Input[1])
                spread[w * width + j * g.Input[1] + at] = 1;
        return graph.Node("MatMul", [flat, graph.Floats(spread, g.Output[1], width)]);
    }

    /// <summary>
    /// Zeros and ones [blocks · rows · columns · met, taps]: tap (i, j) of row h is column j of the kernel against row
    /// h·stride + i·dilation - pad of X, where X has that row.
    /// </summary>
    private static string Picker(GraphEmitter graph, ConvGeometry g, long rows, long blocks, long met)
    {
        long taps = g.Kernel[0] * g.Kernel[1];
        float[] pick = new float[blocks * rows * g.Kernel[1] * met * taps];
        for (long h = 0; h < g.Output[0]; h++)
        {
            long start = Rows(g, h / rows * rows, met).First();
            for (long i = 0; i < g.Kernel[0]; i++)
                if (h * g.Strides[0] + i * g.Dilations[0] - g.Begin[0] is var row && row >= 0 && row < g.Input[0])
                    for (long j = 0; j < g.Kernel[1]; j++)
                        pick[((h * g.Kernel[1] + j) * met + row - start) * taps + i * g.Kernel[1] + j] = 1;
        }

        return graph.Floats(pick, pick.Length / taps, taps);
    }
}
