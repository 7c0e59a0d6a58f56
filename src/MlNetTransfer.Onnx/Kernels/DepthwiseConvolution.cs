using System.Buffers;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Convolution in two dimensions of every channel by its own kernel, without dilation: Y[n, c] = X[n, c] * W[c] + b[c],
/// held between two bounds or gated. Inputs X [N, C, H, W], W [C, 1, taps] and, where there is one, b [C] or the gate
/// of the output.
/// </summary>
/// <remarks>
/// ONNX Runtime's own takes 5 to 20 times as long where the kernel is no constant: it makes one product of matrices per
/// image and channel.
/// </remarks>
internal sealed unsafe class DepthwiseConvolution : Kernel
{
    private readonly PlaneSizes sizes;
    private readonly DepthwiseOutput output;
    private readonly bool hasBias;

    private DepthwiseConvolution(long[] numbers, float[] values)
    {
        sizes = PlaneSizes.Of(numbers);
        output = DepthwiseOutput.Of(numbers, values);
        hasBias = numbers[PlaneSizes.Count + 1] != 0;
    }

    public static KernelKind Kind { get; } = new("DepthwiseConv", (s, v) => new DepthwiseConvolution(s, v));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [sizes.Batch, sizes.Channels, sizes.Y.Output, sizes.X.Output],
        ];

    public override void Run(KernelRun run)
    {
        Planes planes = new(sizes.Y, sizes.X);
        float* x = run.Input(0),
            w = run.Input(1),
            b = hasBias ? run.Input(2) : null,
            gate = output.IsGated ? run.Input(2) : null,
            y = run.Output();
        run.Parallel(
            sizes.Maps,
            (first, end) =>
            {
                float[] rented = ArrayPool<float>.Shared.Rent(planes.AllPlanes + planes.PlaneSize);
                Span<PlaneTap> taps = stackalloc PlaneTap[planes.Taps];
                fixed (float* split = rented)
                    for (int map = first; map < end; map++)
                    {
                        int channel = map % sizes.Channels;
                        planes.Split(x + (long)map * planes.InputSize, split);
                        planes.Aim(split, w + channel * planes.Taps, taps);
                        float* result = split + planes.AllPlanes;
                        Planes.Weigh(result, planes.Run, b is null ? 0 : b[channel], taps);
                        float* into = y + (long)map * planes.OutputSize;
                        planes.TakeRows(result, into);
                        output.Finish(into, gate + (long)map * planes.OutputSize, planes.OutputSize);
                    }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }
}

/// <summary>
/// Gradient of a <see cref="DepthwiseConvolution"/> by its input: the transposed convolution. Inputs dY, W and, where
/// there is one, the gate.
/// </summary>
internal sealed unsafe class DepthwiseInputGradient : Kernel
{
    private readonly PlaneSizes sizes;
    private readonly DepthwiseOutput output;

    private DepthwiseInputGradient(long[] numbers, float[] values)
    {
        sizes = PlaneSizes.Of(numbers);
        output = DepthwiseOutput.Of(numbers, values);
    }

    public static KernelKind Kind { get; } = new("DepthwiseInputGradient", (s, v) => new DepthwiseInputGradient(s, v));

    /// <summary>Attributes of a node that has no gate.</summary>
    public static long[] Sizes(PlaneSizes sizes) => [.. sizes.ToNumbers(), (long)DepthwiseEnd.None];

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [sizes.Batch, sizes.Channels, sizes.Y.Input, sizes.X.Input],
        ];

    public override void Run(KernelRun run)
    {
        DepthwiseSpread spread = new(sizes);
        float* dy = run.Input(0),
            w = run.Input(1),
            gate = output.IsGated ? run.Input(2) : null,
            dx = run.Output();
        run.Parallel(
            sizes.Maps,
            (first, end) =>
            {
                float[] rented = ArrayPool<float>.Shared.Rent(spread.Room);
                fixed (float* room = rented)
                    for (int map = first; map < end; map++)
                    {
                        long at = (long)map * spread.Planes.InputSize;
                        spread.Run(
                            dy + (long)map * spread.Planes.OutputSize,
                            w + map % sizes.Channels * spread.Planes.Taps,
                            room,
                            dx + at
                        );
                        output.Finish(dx + at, gate + at, spread.Planes.InputSize);
                    }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }
}

/// <summary>The transposed convolution of a map: each number of dY is spread over what it was made of.</summary>
internal sealed unsafe class DepthwiseSpread
{
    private readonly PlaneAxis y,
        x;
    private readonly int width,
        size;

    public DepthwiseSpread(PlaneSizes sizes)
    {
        (y, x) = (sizes.Y, sizes.X);
        Planes = new Planes(y, x);
        width = x.Around;
        size = checked(y.Around * width + Planes.Slack);
    }

    public Planes Planes { get; }

    /// <summary>Numbers that a map needs beside its own.</summary>
    public int Room => checked((1 + y.Stride * x.Stride) * size);

    /// <summary>Spreads a map.</summary>
    /// <param name="dy">The map of the output's gradient.</param>
    /// <param name="weights">The taps of its channel.</param>
    /// <param name="room"><see cref="Room"/> numbers.</param>
    /// <param name="dx">Takes the map of the input's gradient.</param>
    public void Run(float* dy, float* weights, float* room, float* dx)
    {
        Surround(dy, room);
        Span<PlaneTap> taps = stackalloc PlaneTap[Planes.Taps];
        for (int a = 0; a < y.Stride; a++)
        for (int b = 0; b < x.Stride; b++)
        {
            int count = 0;
            for (int i = a; i < y.Kernel; i += y.Stride)
            for (int j = b; j < x.Kernel; j += x.Stride)
                taps[count++] = new PlaneTap(
                    room + (y.Reach - i / y.Stride) * width + x.Reach - j / x.Stride,
                    weights[i * x.Kernel + j]
                );
            Planes.Weigh(room + (1 + a * x.Stride + b) * size, (y.Parts - 1) * width + x.Parts, 0, taps[..count]);
        }

        Planes.Join(room + size, size, y.Parts, width, dx);
    }

    /// <summary>Rows of dY with zeros around them.</summary>
    private void Surround(float* map, float* padded)
    {
        new Span<float>(padded, size).Clear();
        // What lies beyond met only zeros behind the input.
        int rows = Math.Min(y.Output, y.Parts),
            columns = Math.Min(x.Output, x.Parts);
        for (int row = 0; row < rows; row++)
            Rows.Copy(map + row * x.Output, padded + (row + y.Reach) * width + x.Reach, columns);
    }
}

/// <summary>
/// Gradient of a <see cref="DepthwiseConvolution"/> by its kernels, summed over the images in their order. Inputs X and
/// dY.
/// </summary>
internal sealed unsafe class DepthwiseWeightGradient : Kernel
{
    private readonly PlaneSizes sizes;

    private DepthwiseWeightGradient(long[] numbers) => sizes = PlaneSizes.Of(numbers);

    public static KernelKind Kind { get; } = new("DepthwiseWeightGradient", (s, _) => new DepthwiseWeightGradient(s));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [sizes.Channels, 1, sizes.Y.Kernel, sizes.X.Kernel],
        ];

    public override void Run(KernelRun run)
    {
        Planes planes = new(sizes.Y, sizes.X);
        float* x = run.Input(0),
            dy = run.Input(1),
            dw = run.Output();
        run.Parallel(
            sizes.Channels,
            (first, end) =>
            {
                float[] rented = ArrayPool<float>.Shared.Rent(planes.AllPlanes + planes.PlaneSize + Planes.Slack);
                Span<PlaneTap> taps = stackalloc PlaneTap[planes.Taps];
                fixed (float* split = rented)
                {
                    planes.Aim(split, null, taps);
                    for (int channel = first; channel < end; channel++)
                    {
                        Span<float> sums = new(dw + channel * planes.Taps, planes.Taps);
                        sums.Clear();
                        for (int image = 0; image < sizes.Batch; image++)
                        {
                            long map = (long)image * sizes.Channels + channel;
                            planes.Split(x + map * planes.InputSize, split);
                            planes.SpreadRows(dy + map * planes.OutputSize, split + planes.AllPlanes);
                            Planes.Correlate(split + planes.AllPlanes, planes.Run, taps, sums);
                        }
                    }
                }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }
}
