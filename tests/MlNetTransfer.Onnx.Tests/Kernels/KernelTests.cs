using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Tests.Kernels;

/// <summary>Kernels against the sums that define them, in float64 and one number at a time.</summary>
[TestClass]
public sealed class KernelTests
{
    /// <summary>A sum of n products of numbers near 1 in float32 is off by at most n · 2⁻²⁴ of their sizes.</summary>
    private const double Tolerance = 2e-5;

    /// <summary>Rows and columns alike: input, kernel, stride, pads before and after.</summary>
    private static readonly (int Input, int Kernel, int Stride, int Before, int After)[] Axes =
    [
        (1, 1, 1, 0, 0),
        (5, 3, 1, 1, 1),
        (7, 3, 2, 1, 1),
        (8, 3, 2, 1, 1),
        (8, 3, 2, 0, 1),
        (9, 2, 2, 0, 0),
        (33, 3, 1, 0, 2),
        (40, 5, 2, 2, 1),
        (23, 7, 1, 3, 3),
        (19, 4, 3, 2, 5),
        (17, 2, 4, 1, 0),
        (6, 5, 1, 4, 4),
    ];

    public static IEnumerable<object[]> Geometries =>
        from y in Enumerable.Range(0, Axes.Length)
        from x in (int[])[y, (y * 5 + 3) % Axes.Length]
        select new object[] { y, x };

    [TestMethod]
    [DynamicData(nameof(Geometries))]
    public void Run_Geometry_IsItsSums(int rows, int columns)
    {
        const int Batch = 2,
            Channels = 3,
            Filters = 5;
        PlaneAxis y = Axis(rows),
            x = Axis(columns);
        PlaneSizes sizes = new(Batch, Channels, y, x);
        string name = $"{y} {x}";
        long[] maps = [Batch, Channels, y.Input, x.Input],
            results = [Batch, Channels, y.Output, x.Output],
            deep = [Batch, Filters, y.Output, x.Output],
            kernel = [Channels, 1, y.Kernel, x.Kernel];
        float[] input = Draw(maps, 1),
            dy = Draw(results, 2),
            wide = Draw(deep, 3),
            w = Draw(kernel, 4),
            bias = Draw([Channels], 5);

        double[] convolved = new double[results.Aggregate(1L, (a, b) => a * b)],
            dx = new double[input.Length],
            dw = new double[w.Length],
            dense = new double[Filters * w.Length],
            pooled = new double[input.Length];
        float[] largest = new float[convolved.Length];
        Each(
            sizes,
            (n, c, o, places) =>
            {
                int map = n * Channels + c;
                convolved[o] = bias[c];
                int best = -1;
                foreach ((int tap, int at) in places)
                {
                    int i = map * y.Input * x.Input + at,
                        t = c * y.Kernel * x.Kernel + tap;
                    convolved[o] += (double)w[t] * input[i];
                    dx[i] += (double)w[t] * dy[o];
                    dw[t] += (double)dy[o] * input[i];
                    if (best < 0 || input[i] > input[best])
                        best = i;
                    for (int m = 0; m < Filters; m++)
                        dense[(m * Channels + c) * y.Kernel * x.Kernel + tap] +=
                            (double)wide[(n * Filters + m) * y.Output * x.Output + o % (y.Output * x.Output)]
                            * input[i];
                }

                largest[o] = best < 0 ? float.NegativeInfinity : input[best];
                if (best >= 0)
                    pooled[best] += dy[o];
            }
        );

        long[] numbers = sizes.ToNumbers();
        Near(
            name,
            convolved,
            Run(
                DepthwiseConvolution.Kind,
                [.. numbers, 0, 1],
                [0, 0],
                results,
                (input, maps),
                (w, kernel),
                (bias, [Channels])
            )
        );
        Near(
            name,
            [.. convolved.Select((v, o) => Math.Clamp(v, -0.25, 0.5))],
            Run(
                DepthwiseConvolution.Kind,
                [.. numbers, 1, 1],
                [-0.25f, 0.5f],
                results,
                (input, maps),
                (w, kernel),
                (bias, [Channels])
            )
        );
        Near(
            name,
            [.. convolved.Select((v, o) => Gated(dy[o], v - bias[o / (y.Output * x.Output) % Channels]))],
            Run(
                DepthwiseConvolution.Kind,
                [.. numbers, 2, 0],
                [-0.25f, 0.5f],
                results,
                (input, maps),
                (w, kernel),
                (dy, results)
            )
        );
        Near(
            name,
            dx,
            Run(DepthwiseInputGradient.Kind, DepthwiseInputGradient.Sizes(sizes), [], maps, (dy, results), (w, kernel))
        );
        Near(
            name,
            [.. dx.Select((v, i) => Gated(input[i], v))],
            Run(
                DepthwiseInputGradient.Kind,
                [.. numbers, 2],
                [-0.25f, 0.5f],
                maps,
                (dy, results),
                (w, kernel),
                (input, maps)
            )
        );
        Near(name, dw, Run(DepthwiseWeightGradient.Kind, numbers, [], kernel, (input, maps), (dy, results)));
        Near(
            name,
            dense,
            Run(
                ConvWeightGradient.Kind,
                ConvWeightGradient.Sizes(sizes, Filters),
                [],
                [Filters, Channels, y.Kernel, x.Kernel],
                (input, maps),
                (wide, deep)
            )
        );
        Near(
            name,
            pooled,
            Run(MaxPoolInputGradient.Kind, numbers, [], maps, (input, maps), (largest, results), (dy, results))
        );
    }

    /// <summary>All gradients at once are those that are computed apart; the gate is X, or another tensor.</summary>
    [TestMethod]
    [DynamicData(nameof(Geometries))]
    public void Run_GradientsTogether_AreThoseApart(int rows, int columns)
    {
        PlaneSizes sizes = new(2, 3, Axis(rows), Axis(columns));
        long[] maps = [2, 3, sizes.Y.Input, sizes.X.Input],
            results = [2, 3, sizes.Y.Output, sizes.X.Output],
            kernel = [3, 1, sizes.Y.Kernel, sizes.X.Kernel],
            numbers = sizes.ToNumbers();
        (float[] Values, long[] Shape) x = (Draw(maps, 1), maps),
            dy = (Draw(results, 2), results),
            w = (Draw(kernel, 3), kernel),
            other = (Draw(maps, 4), maps);
        float[] dw = Run(DepthwiseWeightGradient.Kind, numbers, [], kernel, x, dy);
        double[] db =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(c =>
                    dy.Values.Where((_, o) => o / (sizes.Y.Output * sizes.X.Output) % 3 == c).Sum(v => (double)v)
                ),
        ];
        foreach (DepthwiseEnd end in (DepthwiseEnd[])[DepthwiseEnd.None, DepthwiseEnd.Gated])
        foreach (bool byX in (bool[])[false, true])
        {
            (float[] Values, long[] Shape)[] gate = end == DepthwiseEnd.Gated && !byX ? [other] : [];
            float[] dx = Run(
                DepthwiseInputGradient.Kind,
                [.. numbers, (long)end],
                [-0.25f, 0.5f],
                maps,
                [dy, w, byX ? x : other]
            );
            NodeProto node = KernelRegistry.Node(
                DepthwiseGradients.Kind,
                Enumerable.Range(0, 3 + gate.Length).Select(i => $"in{i}"),
                ["dx", "dw", "db"],
                DepthwiseGradients.Sizes(sizes, end, byX),
                [-0.25f, 0.5f]
            );
            float[][] found = KernelGraph.Run(node, [maps, kernel, [3]], 1, [x, dy, w, .. gate]);
            CollectionAssert.AreEqual(dx, found[0]);
            CollectionAssert.AreEqual(dw, found[1]);
            Near("db", db, found[2]);
        }
    }

    /// <summary>The first of equal elements gets the gradient, and a pad never does.</summary>
    [TestMethod]
    public void Run_MaxPoolOfZeros_GivesToTheFirstOfEachWindow()
    {
        PlaneSizes sizes = new(1, 1, new PlaneAxis(4, 2, 3, 2, 1), new PlaneAxis(4, 2, 3, 2, 1));
        float[] dx = Run(
            MaxPoolInputGradient.Kind,
            sizes.ToNumbers(),
            [],
            [1, 1, 4, 4],
            (new float[16], [1, 1, 4, 4]),
            (new float[4], [1, 1, 2, 2]),
            ([1, 2, 3, 4], [1, 1, 2, 2])
        );
        CollectionAssert.AreEqual(new float[] { 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, dx);
    }

    /// <summary>Which items are computed together does not depend on the threads.</summary>
    [TestMethod]
    public void Run_AnyThreads_SameBytes()
    {
        PlaneSizes sizes = new(3, 70, new PlaneAxis(14, 14, 3, 1, 1), new PlaneAxis(14, 14, 3, 1, 1));
        long[] maps = [3, 70, 14, 14];
        float[] x = Draw(maps, 1),
            dy = Draw(maps, 2);
        float[][] found =
        [
            .. ((int[])[1, 2, 5]).Select(threads =>
                Run(
                    threads,
                    ConvWeightGradient.Kind,
                    ConvWeightGradient.Sizes(sizes, 70),
                    [],
                    [70, 70, 3, 3],
                    (x, maps),
                    (dy, maps)
                )
            ),
        ];
        CollectionAssert.AreEqual(found[0], found[1]);
        CollectionAssert.AreEqual(found[0], found[2]);
        float[] w = Draw([70, 1, 3, 3], 3);
        NodeProto node = KernelRegistry.Node(
            DepthwiseGradients.Kind,
            ["in0", "in1", "in2"],
            ["dx", "dw", "db"],
            DepthwiseGradients.Sizes(sizes, DepthwiseEnd.None, isGatedByX: false),
            []
        );
        float[][] Gradients(int threads) =>
            KernelGraph.Run(node, [maps, [70, 1, 3, 3], [70]], threads, (x, maps), (dy, maps), (w, [70, 1, 3, 3]));
        foreach ((float[] one, float[] five) in Gradients(1).Zip(Gradients(5)))
            CollectionAssert.AreEqual(one, five);
    }

    private static double Gated(double gate, double value) => gate > -0.25f && gate < 0.5f ? value : 0;

    private static PlaneAxis Axis(int number)
    {
        (int input, int kernel, int stride, int before, int after) = Axes[number];
        return new PlaneAxis(input, (input + before + after - kernel) / stride + 1, kernel, stride, before);
    }

    /// <summary>For each output what it meets: numbers of taps, and of elements of the map.</summary>
    private static void Each(PlaneSizes sizes, Action<int, int, int, List<(int Tap, int At)>> visit)
    {
        (PlaneAxis y, PlaneAxis x) = (sizes.Y, sizes.X);
        int o = 0;
        for (int n = 0; n < sizes.Batch; n++)
        for (int c = 0; c < sizes.Channels; c++)
        for (int row = 0; row < y.Output; row++)
        for (int column = 0; column < x.Output; column++)
        {
            List<(int, int)> places = [];
            for (int i = 0; i < y.Kernel; i++)
            for (int j = 0; j < x.Kernel; j++)
            {
                int u = row * y.Stride + i - y.Pad,
                    v = column * x.Stride + j - x.Pad;
                if (u >= 0 && u < y.Input && v >= 0 && v < x.Input)
                    places.Add((i * x.Kernel + j, u * x.Input + v));
            }

            visit(n, c, o++, places);
        }
    }

    private static float[] Draw(long[] shape, int seed)
    {
        Random random = new(seed);
        return
        [
            .. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => random.NextSingle() * 2 - 1),
        ];
    }

    private static void Near(string name, double[] expected, float[] found)
    {
        Assert.AreEqual(expected.Length, found.Length, name);
        double scale = Math.Max(1, expected.Select(Math.Abs).DefaultIfEmpty().Max());
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], Tolerance * scale, $"{name}, element {i}");
    }

    private static float[] Run(
        KernelKind kind,
        long[] sizes,
        float[] values,
        long[] shape,
        params (float[] Values, long[] Shape)[] inputs
    ) => Run(1, kind, sizes, values, shape, inputs);

    private static float[] Run(
        int threads,
        KernelKind kind,
        long[] sizes,
        float[] values,
        long[] shape,
        params (float[] Values, long[] Shape)[] inputs
    )
    {
        NodeProto node = KernelRegistry.Node(kind, inputs.Select((_, i) => $"in{i}"), ["out"], sizes, values);
        return KernelGraph.Run(node, [shape], threads, inputs)[0];
    }
}
