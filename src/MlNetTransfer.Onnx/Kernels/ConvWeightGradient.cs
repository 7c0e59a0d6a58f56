using System.Buffers;
using System.Runtime.Intrinsics;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Gradient of a convolution in two dimensions, without groups and dilation, by its kernel: dW[m, c, t] = Σ over images
/// and places of dY[n, m, p] · X[n, c, p·stride + t - pad]. Inputs X and dY.
/// </summary>
/// <remarks>
/// A product of matrices of which one is never written: what a tap meets is a run of a plane (<see cref="Planes"/>), so
/// taps are columns that overlap. Four filters by three columns are summed in registers over a stretch of places that
/// stays in the cache for all filters.
/// </remarks>
internal sealed unsafe class ConvWeightGradient : Kernel
{
    private const int Filters = 4,
        Columns = 3;

    /// <summary>Numbers of the stretches of all channels: half of a core's own cache.</summary>
    private const int Stretches = 1 << 17;

    private readonly PlaneSizes sizes;
    private readonly int filters;

    private ConvWeightGradient(long[] numbers)
    {
        sizes = PlaneSizes.Of(numbers);
        filters = (int)numbers[PlaneSizes.Count];
    }

    public static KernelKind Kind { get; } = new("ConvWeightGradient", (s, _) => new ConvWeightGradient(s));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [filters, sizes.Channels, sizes.Y.Kernel, sizes.X.Kernel],
        ];

    /// <summary>Attributes of a node.</summary>
    /// <param name="sizes">Of X, dY and the kernel.</param>
    /// <param name="filters">Channels of dY.</param>
    public static long[] Sizes(PlaneSizes sizes, long filters) => [.. sizes.ToNumbers(), filters];

    public override void Run(KernelRun run)
    {
        Planes planes = new(sizes.Y, sizes.X);
        int channels = sizes.Channels,
            columns = checked(channels * planes.Taps),
            runSize = checked(sizes.Y.Output * sizes.X.Met + Planes.Slack);
        float* x = run.Input(0),
            dy = run.Input(1),
            dw = run.Output();
        new Span<float>(dw, checked(filters * columns)).Clear();
        float[] rented = ArrayPool<float>.Shared.Rent(checked(channels * planes.AllPlanes + filters * runSize));
        fixed (float* room = rented)
        {
            float* split = room,
                runs = room + channels * planes.AllPlanes;
            int[] starts =
            [
                .. Enumerable
                    .Range(0, columns)
                    .Select(q =>
                        q / planes.Taps * planes.AllPlanes
                        + planes.Start(q % planes.Taps / sizes.X.Kernel, q % sizes.X.Kernel)
                    ),
            ];
            for (int image = 0; image < sizes.Batch; image++)
            {
                float* map = x + (long)image * channels * planes.InputSize,
                    gradient = dy + (long)image * filters * planes.OutputSize;
                run.Parallel(
                    channels + filters,
                    (first, end) =>
                    {
                        for (int i = first; i < end; i++)
                            if (i < channels)
                                planes.Split(map + (long)i * planes.InputSize, split + i * planes.AllPlanes);
                            else
                                planes.SpreadRows(
                                    gradient + (long)(i - channels) * planes.OutputSize,
                                    runs + (i - channels) * runSize
                                );
                    }
                );
                run.Parallel(
                    (filters + Filters - 1) / Filters,
                    (first, end) => Multiply(split, starts, runs, runSize, planes.Run, dw, first, end)
                );
            }
        }

        ArrayPool<float>.Shared.Return(rented);
    }

    /// <summary>Adds what an image gives to some blocks of filters.</summary>
    private void Multiply(
        float* split,
        int[] starts,
        float* runs,
        int runSize,
        int length,
        float* dw,
        int first,
        int end
    )
    {
        int stretch = Math.Clamp(Stretches / sizes.Channels, 512, 4096) & ~7;
        float** sources = stackalloc float*[Columns];
        for (int from = 0; from < length; from += stretch)
        {
            int count = Math.Min(stretch, length - from);
            for (int block = first; block < end; block++)
            {
                int filter = block * Filters,
                    rows = Math.Min(Filters, filters - filter);
                float* a = runs + filter * runSize + from,
                    b = rows > 1 ? a + runSize : a,
                    c = rows > 2 ? b + runSize : a,
                    d = rows > 3 ? c + runSize : a;
                float* into = dw + (long)filter * starts.Length;
                for (int q = 0; q < starts.Length; q += Columns)
                {
                    int width = Math.Min(Columns, starts.Length - q);
                    for (int i = 0; i < Columns; i++)
                        sources[i] = split + starts[q + Math.Min(i, width - 1)] + from;
                    Tile(a, b, c, d, sources[0], sources[1], sources[2], count, into + q, starts.Length, rows, width);
                }
            }
        }
    }

    private static void Tile(
        float* a,
        float* b,
        float* c,
        float* d,
        float* x,
        float* y,
        float* z,
        int count,
        float* into,
        int stride,
        int rows,
        int width
    )
    {
        Vector256<float> ax = default,
            ay = default,
            az = default,
            bx = default,
            by = default,
            bz = default,
            cx = default,
            cy = default,
            cz = default,
            dx = default,
            dy = default,
            dz = default;
        for (int at = 0; at < count; at += 8)
        {
            Vector256<float> u = Vector256.Load(x + at),
                v = Vector256.Load(y + at),
                w = Vector256.Load(z + at),
                row = Vector256.Load(a + at);
            ax = Vector256.FusedMultiplyAdd(row, u, ax);
            ay = Vector256.FusedMultiplyAdd(row, v, ay);
            az = Vector256.FusedMultiplyAdd(row, w, az);
            row = Vector256.Load(b + at);
            bx = Vector256.FusedMultiplyAdd(row, u, bx);
            by = Vector256.FusedMultiplyAdd(row, v, by);
            bz = Vector256.FusedMultiplyAdd(row, w, bz);
            row = Vector256.Load(c + at);
            cx = Vector256.FusedMultiplyAdd(row, u, cx);
            cy = Vector256.FusedMultiplyAdd(row, v, cy);
            cz = Vector256.FusedMultiplyAdd(row, w, cz);
            row = Vector256.Load(d + at);
            dx = Vector256.FusedMultiplyAdd(row, u, dx);
            dy = Vector256.FusedMultiplyAdd(row, v, dy);
            dz = Vector256.FusedMultiplyAdd(row, w, dz);
        }

        Add(into, width, ax, ay, az);
        if (rows > 1)
            Add(into + stride, width, bx, by, bz);
        if (rows > 2)
            Add(into + 2 * stride, width, cx, cy, cz);
        if (rows > 3)
            Add(into + 3 * stride, width, dx, dy, dz);
    }

    private static void Add(float* into, int width, Vector256<float> x, Vector256<float> y, Vector256<float> z)
    {
        into[0] += Vector256.Sum(x);
        if (width > 1)
            into[1] += Vector256.Sum(y);
        if (width > 2)
            into[2] += Vector256.Sum(z);
    }
}
