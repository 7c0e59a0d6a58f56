namespace MlNetTransfer.Onnx.Differentiation.Convolution;

/// <summary>Sizes of one convolution, automatic pads resolved. Spatial lists have one entry per spatial axis.</summary>
/// <param name="Batch">Images N.</param>
/// <param name="Channels">Channels C of the input.</param>
/// <param name="Filters">Channels M of the output.</param>
/// <param name="Groups">Groups; C and M are multiples of it.</param>
/// <param name="Input">Spatial sizes of the input.</param>
/// <param name="Output">Spatial sizes of the output.</param>
/// <param name="Kernel">Spatial sizes of the kernel.</param>
/// <param name="Strides">Steps between outputs.</param>
/// <param name="Dilations">Steps between taps of the kernel.</param>
/// <param name="Begin">Zeros before the first element.</param>
/// <param name="End">Zeros after the last.</param>
internal sealed record ConvGeometry(
    long Batch,
    long Channels,
    long Filters,
    long Groups,
    long[] Input,
    long[] Output,
    long[] Kernel,
    long[] Strides,
    long[] Dilations,
    long[] Begin,
    long[] End
)
{
    /// <summary>Number of spatial axes.</summary>
    public int Axes => Kernel.Length;

    /// <summary>Whether every channel is convolved alone.</summary>
    public bool Depthwise => Groups > 1 && Groups == Channels && Filters == Channels;

    public bool UnitStride => Array.TrueForAll(Strides, s => s == 1);

    public bool UnitDilation => Array.TrueForAll(Dilations, d => d == 1);

    /// <summary>Whether the kernel is one tap without pads.</summary>
    public bool Pointwise =>
        Array.TrueForAll(Kernel, k => k == 1)
        && Array.TrueForAll(Begin, b => b == 0)
        && Array.TrueForAll(End, e => e == 0);

    /// <summary>Pads as ONNX writes them: all begins, then all ends.</summary>
    public long[] Pads => [.. Begin, .. End];

    /// <summary>
    /// Input elements per axis that no output reaches since the stride does not divide; they have gradient zero.
    /// </summary>
    public long[] Remainder => Per(i => Input[i] + Begin[i] + End[i] - Extent(i) - Strides[i] * (Output[i] - 1));

    /// <summary>Elements that the dilated kernel covers on an axis.</summary>
    public long Extent(int axis) => Dilations[axis] * (Kernel[axis] - 1) + 1;

    /// <summary>One number per spatial axis.</summary>
    public long[] Per(Func<int, long> of) => [.. Enumerable.Range(0, Axes).Select(of)];

    /// <summary>The geometry of a Conv node.</summary>
    /// <param name="node">Input X [N, C, ...], kernel W [M, C / groups, ...], output [N, M, ...].</param>
    public static ConvGeometry Of(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            w = node.InputShape(1),
            y = node.OutputShape();
        int axes = x.Length - 2;
        long[] ones = [.. Enumerable.Repeat(1L, axes)];
        ConvGeometry open = new(
            x[0],
            x[1],
            y[1],
            node.Int("group", 1),
            x[2..],
            y[2..],
            w[2..],
            node.Ints("strides") ?? ones,
            node.Ints("dilations") ?? ones,
            [],
            []
        );
        (long[] begin, long[] end) = Padding.Of(node, open.Input, open.Output, open.Per(open.Extent), open.Strides);
        return open with { Begin = begin, End = end };
    }
}
