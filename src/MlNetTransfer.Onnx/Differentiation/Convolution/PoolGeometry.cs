namespace MlNetTransfer.Onnx.Differentiation.Convolution;

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
