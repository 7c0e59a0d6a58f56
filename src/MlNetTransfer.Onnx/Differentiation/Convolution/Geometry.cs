using MlNetTransfer.Onnx.Kernels;

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

    /// <summary>
    /// Whether kernels of our own can see it: it has two axes, no gaps in its windows, and not too large ones.
    /// </summary>
    public bool HasPlanes => Axes == 2 && UnitDilation && Kernel[0] * Kernel[1] <= PlaneSizes.MostTaps;

    /// <summary>Its two axes as kernels see them.</summary>
    public PlaneSizes Planes()
    {
        PlaneAxis Axis(int i) => new((int)Input[i], (int)Output[i], (int)Kernel[i], (int)Strides[i], (int)Begin[i]);
        return new PlaneSizes((int)Batch, (int)Channels, Axis(0), Axis(1));
    }

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

/// <summary>Sizes of one pool, automatic pads resolved; lists have one entry per spatial axis.</summary>
/// <param name="InputShape">Shape of the input [N, C, ...].</param>
/// <param name="Output">Spatial sizes of the output.</param>
/// <param name="Kernel">Sizes of a window.</param>
/// <param name="Strides">Steps between windows.</param>
/// <param name="Dilations">Steps between elements of a window.</param>
/// <param name="Begin">Zeros before the first element.</param>
/// <param name="End">Zeros after the last.</param>
internal sealed record PoolGeometry(
    long[] InputShape,
    long[] Output,
    long[] Kernel,
    long[] Strides,
    long[] Dilations,
    long[] Begin,
    long[] End
)
{
    /// <summary>Maps of all images.</summary>
    public long Maps => InputShape[0] * InputShape[1];

    /// <summary>Whether every element is in exactly one window.</summary>
    public bool Tiles =>
        Kernel.AsSpan().SequenceEqual(Strides)
        && Enumerable
            .Range(0, Kernel.Length)
            .All(i => Begin[i] == 0 && Dilations[i] == 1 && Output[i] * Kernel[i] == InputShape[i + 2]);

    /// <inheritdoc cref="ConvGeometry.HasPlanes"/>
    public bool HasPlanes =>
        Kernel.Length == 2 && Array.TrueForAll(Dilations, d => d == 1) && Kernel[0] * Kernel[1] <= PlaneSizes.MostTaps;

    /// <summary>Its two axes as kernels see them.</summary>
    public PlaneSizes Planes()
    {
        PlaneAxis Axis(int i) =>
            new((int)InputShape[i + 2], (int)Output[i], (int)Kernel[i], (int)Strides[i], (int)Begin[i]);
        return new PlaneSizes((int)InputShape[0], (int)InputShape[1], Axis(0), Axis(1));
    }

    /// <summary>
    /// Zeros after the last element that the last window reaches; with ceil_mode that may be more than
    /// <see cref="End"/>.
    /// </summary>
    public long[] ReachedEnd => [.. Enumerable.Range(0, Kernel.Length).Select(i => Math.Max(0, Overhang(i)))];

    /// <summary>Last elements that no window reaches.</summary>
    public long[] Unreached => [.. Enumerable.Range(0, Kernel.Length).Select(i => Math.Max(0, -Overhang(i)))];

    public static PoolGeometry Of(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            output = node.OutputShape()[2..],
            kernel = node.Ints("kernel_shape") ?? throw node.Unsupported("no kernel_shape");
        long[] ones = [.. kernel.Select(_ => 1L)],
            strides = node.Ints("strides") ?? ones,
            dilations = node.Ints("dilations") ?? ones;
        (long[] begin, long[] end) = Padding.Of(
            node,
            x[2..],
            output,
            [.. kernel.Zip(dilations, (k, d) => (k - 1) * d + 1)],
            strides
        );
        return new PoolGeometry(x, output, kernel, strides, dilations, begin, end);
    }

    /// <summary>
    /// 1 / number of elements of each window [product of output sizes], row-major; pads count where asked, what lies
    /// beyond them (ceil_mode) never.
    /// </summary>
    public float[] Shares(bool includePads)
    {
        float[] shares = [1];
        for (int axis = 0; axis < Kernel.Length; axis++)
        {
            int a = axis;
            float[] counts = [.. Enumerable.Range(0, (int)Output[a]).Select(o => (float)Count(a, o, includePads))];
            shares = [.. shares.SelectMany(s => counts.Select(c => s / c))];
        }

        return shares;
    }

    private long Count(int axis, long output, bool includePads)
    {
        (long low, long high) = includePads
            ? (-Begin[axis], InputShape[axis + 2] + End[axis])
            : (0, InputShape[axis + 2]);
        long start = output * Strides[axis] - Begin[axis],
            count = 0;
        for (long tap = 0; tap < Kernel[axis]; tap++)
            if (start + tap * Dilations[axis] is var at && at >= low && at < high)
                count++;
        return count;
    }

    private long Overhang(int axis) =>
        (Output[axis] - 1) * Strides[axis]
        + (Kernel[axis] - 1) * Dilations[axis]
        + 1
        - Begin[axis]
        - InputShape[axis + 2];
}

/// <summary>Pads of convolutions and pools, as attributes state them.</summary>
internal static class Padding
{
    /// <param name="node">The node with its attributes auto_pad and pads.</param>
    /// <param name="input">Spatial sizes of the input.</param>
    /// <param name="output">Spatial sizes of the output.</param>
    /// <param name="extents">Elements a window covers on each axis.</param>
    /// <param name="strides">Steps between windows.</param>
    /// <returns>Zeros before and after each axis.</returns>
    public static (long[] Begin, long[] End) Of(
        BackwardNode node,
        long[] input,
        long[] output,
        long[] extents,
        long[] strides
    )
    {
        int axes = input.Length;
        switch (node.Text("auto_pad", "NOTSET"))
        {
            case "NOTSET":
                long[] pads = node.Ints("pads") ?? new long[2 * axes];
                return (pads[..axes], pads[axes..]);
            case "VALID":
                return (new long[axes], new long[axes]);
            case "SAME_UPPER":
                return Same(input, output, extents, strides, upper: true);
            case "SAME_LOWER":
                return Same(input, output, extents, strides, upper: false);
            case var other:
                throw node.Unsupported($"auto_pad '{other}'");
        }
    }

    /// <summary>
    /// ONNX: the total is (outputs - 1)·stride + extent - inputs; an odd one has the extra zero at the end (SAME_UPPER)
    /// or at the begin (SAME_LOWER).
    /// </summary>
    private static (long[] Begin, long[] End) Same(
        long[] input,
        long[] output,
        long[] extents,
        long[] strides,
        bool upper
    )
    {
        long[] total =
        [
            .. Enumerable
                .Range(0, input.Length)
                .Select(i => Math.Max(0, (output[i] - 1) * strides[i] + extents[i] - input[i])),
        ];
        long[] small = [.. total.Select(t => t / 2)],
            large = [.. total.Select(t => t - t / 2)];
        return upper ? (small, large) : (large, small);
    }
}
