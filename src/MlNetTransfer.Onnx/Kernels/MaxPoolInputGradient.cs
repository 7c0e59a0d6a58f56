using System.Buffers;
using System.Runtime.Intrinsics;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Gradient of a maximum over windows in two dimensions, without dilation: dY goes to the first element of its window
/// that is the maximum. Inputs X, Y and dY.
/// </summary>
internal sealed unsafe class MaxPoolInputGradient : Kernel
{
    private readonly PlaneSizes sizes;

    private MaxPoolInputGradient(long[] numbers) => sizes = PlaneSizes.Of(numbers);

    public static KernelKind Kind { get; } = new("MaxPoolInputGradient", (s, _) => new MaxPoolInputGradient(s));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [sizes.Batch, sizes.Channels, sizes.Y.Input, sizes.X.Input],
        ];

    public override void Run(KernelRun run)
    {
        Planes planes = new(sizes.Y, sizes.X);
        int all = planes.AllPlanes,
            size = planes.PlaneSize + Planes.Slack;
        float* x = run.Input(0),
            y = run.Input(1),
            dy = run.Input(2),
            dx = run.Output();
        run.Parallel(
            sizes.Maps,
            (first, end) =>
            {
                float[] rented = ArrayPool<float>.Shared.Rent(2 * all + 2 * size);
                fixed (float* split = rented)
                {
                    float* gradient = split + all,
                        maximum = gradient + all,
                        given = maximum + size;
                    for (int map = first; map < end; map++)
                    {
                        // A pad is never the maximum, and equal to nothing.
                        planes.Split(x + (long)map * planes.InputSize, split, float.NaN);
                        planes.SpreadRows(y + (long)map * planes.OutputSize, maximum);
                        planes.SpreadRows(dy + (long)map * planes.OutputSize, given);
                        new Span<float>(gradient, all).Clear();
                        for (int i = 0; i < sizes.Y.Kernel; i++)
                        for (int j = 0; j < sizes.X.Kernel; j++)
                        {
                            int start = planes.Start(i, j);
                            Give(split + start, maximum, given, gradient + start, planes.Run);
                        }

                        planes.Join(
                            gradient,
                            planes.PlaneSize,
                            sizes.Y.Met,
                            sizes.X.Met,
                            dx + (long)map * planes.InputSize
                        );
                    }
                }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }

    /// <summary>Gives to the elements that are the maximum what is left to be given, and takes it away.</summary>
    private static void Give(float* x, float* maximum, float* given, float* gradient, int length)
    {
        for (int at = 0; at < length; at += 8)
        {
            Vector256<float> left = Vector256.Load(given + at),
                mine = Vector256.Equals(Vector256.Load(x + at), Vector256.Load(maximum + at)) & left;
            (Vector256.Load(gradient + at) + mine).Store(gradient + at);
            (left - mine).Store(given + at);
        }
    }
}
