namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>
/// Gradient of a convolution by its input: the transposed convolution (Dumoulin and Visin, A guide to convolution
/// arithmetic, ch. 4). At stride 1 it is an ordinary convolution with the kernel turned round and its channels swapped,
/// which has the faster kernels.
/// </summary>
internal static class InputGradient
{
    /// <summary>
    /// Maps of at most this many positions are put together for the whole batch (measured: decision 008).
    /// </summary>
    private const long SmallMap = 7 * 7;

    public static string Emit(GraphEmitter graph, ConvGeometry g, string dy, string kernel)
    {
        if (g.Pointwise && g.Groups == 1 && g.UnitStride)
            return Product(graph, g, dy, kernel);
        if (
            g.Axes == 2
            && g.Groups == 1
            && g.UnitStride
            && g.Kernel[0] * g.Kernel[1] > 1
            && g.Input[0] * g.Input[1] <= SmallMap
            && Array.TrueForAll(Pads(g), p => p >= 0)
        )
            return WholeBatch(graph, g, dy, kernel);
        return g.UnitStride && Array.TrueForAll(Pads(g), p => p >= 0)
            ? Convolve(graph, g, dy, kernel)
            : Transposed(graph, g, dy, kernel);
    }

    private static long[] Pads(ConvGeometry g) =>
        [.. g.Per(i => g.Extent(i) - 1 - g.Begin[i]), .. g.Per(i => g.Extent(i) - 1 - g.End[i])];

    /// <summary>
    /// A kernel of one tap: dX [N, C, P] = Wᵀ [C, M] · dY [N, M, P], as a convolution, whose kernels beat a broadcast
    /// product.
    /// </summary>
    private static string Product(GraphEmitter graph, ConvGeometry g, string dy, string kernel) =>
        graph.Node("Conv", [dy, graph.Transpose(kernel, [1, 0, .. Range(2, g.Axes)])]);

    private static string Convolve(GraphEmitter graph, ConvGeometry g, string dy, string kernel) =>
        graph.Node(
            "Conv",
            [dy, Turned(graph, g, kernel)],
            Attributes.Of("pads", Pads(g)),
            Attributes.Of("dilations", g.Dilations),
            Attributes.Of("group", g.Groups),
            Attributes.Of("kernel_shape", g.Kernel)
        );

    /// <summary>
    /// [M, C / groups, taps] → [C, M / groups, taps], the taps in reverse: a product with the mirrored unit matrix,
    /// which is faster than Gather or a Slice of negative step.
    /// </summary>
    private static string Turned(GraphEmitter graph, ConvGeometry g, string kernel)
    {
        long taps = g.Kernel.Aggregate(1L, (a, b) => a * b),
            c = g.Channels / g.Groups,
            m = g.Filters / g.Groups;
        string flat = graph.Reshape(kernel, g.Groups, m, c, taps);
        float[] mirror = new float[taps * taps];
        for (long i = 0; i < taps; i++)
            mirror[i * taps + taps - 1 - i] = 1;
        string reversed = taps == 1 ? flat : graph.Node("MatMul", [flat, graph.Floats(mirror, taps, taps)]);
        string swapped = m == 1 && c == 1 ? reversed : graph.Transpose(reversed, 0, 2, 1, 3);
        return graph.Reshape(swapped, [g.Channels, m, .. g.Kernel]);
    }

    /// <summary>
    /// One product for the whole batch: dX [C, N·P] = W [C, taps·M] · columns [taps·M, N·P], where the columns of a tap
    /// are the part of the padded dY that it meets on the way back. A convolution of small maps makes one thin product
    /// per image.
    /// </summary>
    private static string WholeBatch(GraphEmitter graph, ConvGeometry g, string dy, string kernel)
    {
        long taps = g.Kernel[0] * g.Kernel[1];
        long[] pads = Pads(g);
        string padded = graph.Node(
            "Pad",
            [graph.Transpose(dy, 1, 0, 2, 3), graph.Longs(0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3])]
        );
        List<string> columns = [];
        for (long i = g.Kernel[0] - 1; i >= 0; i--)
        for (long j = g.Kernel[1] - 1; j >= 0; j--)
            columns.Add(
                graph.Reshape(
                    graph.Slice(
                        padded,
                        [2, 3],
                        [i * g.Dilations[0], j * g.Dilations[1]],
                        [i * g.Dilations[0] + g.Input[0], j * g.Dilations[1] + g.Input[1]]
                    ),
                    g.Filters,
                    -1
                )
            );
        string weights = graph.Reshape(
            graph.Transpose(graph.Reshape(kernel, g.Filters, g.Channels, taps), 1, 2, 0),
            g.Channels,
            -1
        );
        string product = graph.Node("MatMul", [weights, graph.Concat(columns, 0)]);
        return graph.Transpose(graph.Reshape(product, [g.Channels, g.Batch, .. g.Input]), 1, 0, 2, 3);
    }

    private static string Transposed(GraphEmitter graph, ConvGeometry g, string dy, string kernel) =>
        graph.Node(
            "ConvTranspose",
            [dy, kernel],
            Attributes.Of("pads", g.Pads),
            Attributes.Of("strides", g.Strides),
            Attributes.Of("dilations", g.Dilations),
            Attributes.Of("group", g.Groups),
            Attributes.Of("kernel_shape", g.Kernel),
            Attributes.Of("output_padding", g.Remainder)
        );

    private static IEnumerable<long> Range(long start, int count) => Enumerable.Range(0, count).Select(i => start + i);
}
