using System.Buffers;
using System.Numerics.Tensors;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// All gradients of a <see cref="DepthwiseConvolution"/> at once, since they read the same maps: by its input, its
/// kernels and its bias, the latter two summed over the images in their order. Inputs X, dY, W and, where it is not X,
/// the gate of dX.
/// </summary>
internal sealed unsafe class DepthwiseGradients : Kernel
{
    private readonly PlaneSizes sizes;
    private readonly DepthwiseOutput output;
    private readonly bool isGatedByX;

    private DepthwiseGradients(long[] numbers, float[] values)
    {
        sizes = PlaneSizes.Of(numbers);
        output = DepthwiseOutput.Of(numbers, values);
        isGatedByX = numbers[PlaneSizes.Count + 1] != 0;
    }

    public static KernelKind Kind { get; } = new("DepthwiseGradients", (s, v) => new DepthwiseGradients(s, v));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [sizes.Batch, sizes.Channels, sizes.Y.Input, sizes.X.Input],
            [sizes.Channels, 1, sizes.Y.Kernel, sizes.X.Kernel],
            [sizes.Channels],
        ];

    /// <summary>Attributes of a node.</summary>
    public static long[] Sizes(PlaneSizes sizes, DepthwiseEnd end, bool isGatedByX) =>
        [.. sizes.ToNumbers(), (long)end, isGatedByX ? 1 : 0];

    public override void Run(KernelRun run)
    {
        DepthwiseSpread spread = new(sizes);
        Planes planes = spread.Planes;
        float* x = run.Input(0),
            dy = run.Input(1),
            w = run.Input(2),
            gate = !output.IsGated ? null
            : isGatedByX ? x
            : run.Input(3),
            dx = run.Output(0),
            dw = run.Output(1),
            db = run.Output(2);
        run.Parallel(
            sizes.Channels,
            (first, end) =>
            {
                // Both uses of the room, one after the other.
                float[] rented = ArrayPool<float>.Shared.Rent(
                    Math.Max(planes.AllPlanes + planes.PlaneSize + Planes.Slack, spread.Room)
                );
                Span<PlaneTap> taps = stackalloc PlaneTap[planes.Taps];
                fixed (float* room = rented)
                {
                    planes.Aim(room, null, taps);
                    for (int channel = first; channel < end; channel++)
                    {
                        Span<float> sums = new(dw + channel * planes.Taps, planes.Taps);
                        sums.Clear();
                        float sum = 0;
                        for (int image = 0; image < sizes.Batch; image++)
                        {
                            long map = (long)image * sizes.Channels + channel,
                                at = map * planes.InputSize;
                            float* given = dy + map * planes.OutputSize;
                            planes.Split(x + at, room);
                            planes.SpreadRows(given, room + planes.AllPlanes);
                            Planes.Correlate(room + planes.AllPlanes, planes.Run, taps, sums);
                            sum += TensorPrimitives.Sum(new ReadOnlySpan<float>(given, planes.OutputSize));
                            spread.Run(given, w + channel * planes.Taps, room, dx + at);
                            output.Finish(dx + at, gate + at, planes.InputSize);
                        }

                        db[channel] = sum;
                    }
                }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }
}
