namespace MlNetTransfer.Graphs.Differentiation.Convolution;

/// <summary>
/// Gradient of a convolution by its input: the transposed convolution (Dumoulin and Visin, A guide to convolution arithmetic, ch. 4). At stride 1
/// it is an ordinary convolution with the kernel turned round and its channels swapped, which has the faster kernels.
/// </summary>
internal static class InputGradient
{
    public static string Emit(GraphEmitter graph, ConvGeometry g, string dy, string kernel)
    {
        if (g.Pointwise && g.Groups == 1 && g.UnitStride) return Product(graph, g, dy, kernel);
        return g.UnitStride && Array.TrueForAll(Pads(g), p => p >= 0) ? Convolve(graph, g, dy, kernel) : Transposed(graph, g, dy, kernel);
    }

    private static long[] Pads(ConvGeometry g) => [.. g.Per(i => g.Extent(i) - 1 - g.Begin[i]), .. g.Per(i => g.Extent(i) - 1 - g.End[i])];

    /// <summary>A kernel of one tap: dX [N, C, P] = Wᵀ [C, M] · dY [N, M, P], as a convolution, whose kernels beat a broadcast product.</summary>
    private static string Product(GraphEmitter graph, ConvGeometry g, string dy, string kernel) =>
        graph.Node("Conv", [dy, graph.Transpose(kernel, [1, 0, .. Range(2, g.Axes)])]);

    private static string Convolve(GraphEmitter graph, ConvGeometry g, string dy, string kernel) => graph.Node("Conv", [dy, Turned(graph, g, kernel)],
        Attributes.Of("pads", Pads(g)), Attributes.Of("dilations", g.Dilations), Attributes.Of("group", g.Groups), Attributes.Of("kernel_shape", g.Kernel));

    /// <summary>[M, C / groups, taps] → [C, M / groups, taps], the taps in reverse. Gather over one flat axis of taps: a Slice of negative step is slower.</summary>
    private static string Turned(GraphEmitter graph, ConvGeometry g, string kernel)
    {
        long taps = g.Kernel.Aggregate(1L, (a, b) => a * b), c = g.Channels / g.Groups, m = g.Filters / g.Groups;
        string flat = graph.Reshape(kernel, g.Groups, m, c, taps);
        string reversed = taps == 1 ? flat : graph.Node("Gather", [flat, graph.Longs([.. Enumerable.Range(0, (int)taps).Select(i => taps - 1 - i)])], Attributes.Of("axis", 3L));
        string swapped = m == 1 && c == 1 ? reversed : graph.Transpose(reversed, 0, 2, 1, 3);
        return graph.Reshape(swapped, [g.Channels, m, .. g.Kernel]);
    }

    private static string Transposed(GraphEmitter graph, ConvGeometry g, string dy, string kernel) => graph.Node("ConvTranspose", [dy, kernel],
        Attributes.Of("pads", g.Pads), Attributes.Of("strides", g.Strides), Attributes.Of("dilations", g.Dilations), Attributes.Of("group", g.Groups),
        Attributes.Of("kernel_shape", g.Kernel), Attributes.Of("output_padding", g.Remainder));

    private static IEnumerable<long> Range(long start, int count) => Enumerable.Range(0, count).Select(i => start + i);
}
