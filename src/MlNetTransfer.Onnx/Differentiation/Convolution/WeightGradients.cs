using MlNetTransfer.Onnx.Kernels;

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

    /// <summary>Maps of at least this many positions have a kernel of their own.</summary>
    private const long KernelMap = 14 * 14;

    /// <summary>
    /// Up to this many channels (of an image) the convolution of channels by channels wins among standard operators.
    /// </summary>
    private const long FewChannels = 4;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long map = g.Output.Aggregate(1L, (a, b) => a * b);
        if (g.Depthwise && g.Axes == 2)
            return graph.HasKernels && g.HasPlanes
                ? graph.Kernel(
                    DepthwiseWeightGradient.Kind,
                    [x, dy],
                    [g.Channels, 1, .. g.Kernel],
                    g.Planes().ToNumbers()
                )
                : SpreadWeightGradient.Emit(graph, g, x, dy);
        if (graph.HasKernels && HasKernel(g, map))
            return graph.Kernel(
                ConvWeightGradient.Kind,
                [x, dy],
                [g.Filters, g.Channels, .. g.Kernel],
                ConvWeightGradient.Sizes(g.Planes(), g.Filters)
            );
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

    /// <summary>
    /// Kernels of several taps on maps that are not small; a product for the whole batch is as fast on small ones.
    /// </summary>
    private static bool HasKernel(ConvGeometry g, long map) =>
        g.Groups == 1 && g.HasPlanes && !g.Pointwise && map >= KernelMap;

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

/// <summary>
/// Every channel alone: dY's rows, spread over the width of X once for each column of the kernel, times the rows of X
/// that their block meets (a product over the width); of its elements those of matching rows are picked and summed by a
/// product with zeros and ones. Most of what is multiplied is thrown away, and still it is faster than a multiplication
/// and a sum for each tap. Pads are never written: what meets them is not spread, or not picked.
/// </summary>
internal static class SpreadWeightGradient
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

/// <summary>
/// A kernel of one tap: dW [M, C] = Σ over images of dY [M, P] · Xᵀ [P, C], or one product over the positions of all
/// images.
/// </summary>
internal static class PointwiseWeightGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy, bool wholeBatch)
    {
        string seen = g.UnitStride
            ? x
            : graph.Slice(x, [2, 3], [0, 0], [.. g.Per(i => g.Strides[i] * (g.Output[i] - 1) + 1)], g.Strides);
        long[] kernel = [g.Filters, g.Channels, 1, 1];
        if (wholeBatch)
        {
            string left = graph.Reshape(graph.Transpose(dy, 1, 0, 2, 3), g.Filters, -1),
                right = graph.Reshape(graph.Transpose(seen, 1, 0, 2, 3), g.Channels, -1);
            return graph.Reshape(graph.FusedMatMul(left, right, transposeB: true), kernel);
        }

        string perImage = graph.FusedMatMul(
            graph.Reshape(dy, g.Batch, g.Filters, -1),
            graph.Reshape(seen, g.Batch, g.Channels, -1),
            transposeB: true
        );
        return graph.Reshape(graph.ReduceSum(perImage, [0]), kernel);
    }
}

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

/// <summary>
/// A convolution again, with the images as its channels, dY as its kernel, and strides and dilations swapped. Right for
/// every form of convolution, on any number of axes; with groups, those of the channels become groups of (group, image)
/// channels.
/// </summary>
internal static class SwappedWeightGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string x, string dy)
    {
        long[] spatial = [.. Enumerable.Range(0, g.Axes).Select(i => i + 2L)];
        long c = g.Channels / g.Groups;
        string images =
            g.Groups == 1
                ? graph.Transpose(x, [1, 0, .. spatial])
                : graph.Reshape(
                    graph.Transpose(
                        graph.Reshape(x, [g.Batch, g.Groups, c, .. g.Input]),
                        [2, 1, 0, .. spatial.Select(s => s + 1)]
                    ),
                    [c, g.Groups * g.Batch, .. g.Input]
                );
        long[] end = g.Per(i => Math.Max(0, g.End[i] - g.Remainder[i]));
        string all = graph.Node(
            "Conv",
            [images, graph.Transpose(dy, [1, 0, .. spatial])],
            Attributes.Of("pads", [.. g.Begin, .. end]),
            Attributes.Of("strides", g.Dilations),
            Attributes.Of("dilations", g.Strides),
            Attributes.Of("group", g.Groups)
        );
        bool exact = Enumerable.Range(0, g.Axes).All(i => g.Remainder[i] - g.End[i] < g.Dilations[i]);
        string taps = exact ? all : graph.Slice(all, spatial, new long[g.Axes], g.Kernel);
        return graph.Transpose(taps, [1, 0, .. spatial]);
    }
}
