using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// Images per second of the whole featurising pipeline on all cores, beside its two parts alone on one thread: decoding
/// with preprocessing, and plain ONNX Runtime at batch 1 on the same tensors. The limit is cores / (decode + run); the
/// parts are also measured on all cores at once, because cores that share a memory bus or a clock budget are slower
/// together than alone.
/// </summary>
internal static class FeaturiseBenchmark
{
    /// <summary>
    /// The parts are measured on this many images at most: their time per image does not depend on the number.
    /// </summary>
    private const int PartImages = 600;

    public static int Run(string[] args)
    {
        string id = args.Length > 0 ? args[0] : "mobilenet_v2_140";
        int cores = Environment.ProcessorCount;
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(id);
        byte[] onnx = FeatureGraph.Build(backbone.LoadModel(), backbone.Card.Tap().Tensor).ToBytes();
        using var graph = new ImageGraph(onnx, FeatureGraph.Output, backbone.Card.Preprocessing);
        ImageItem[] items = Usable(
            graph,
            [.. OpenClipart.Read().Items.Where((_, i) => i % 2 == 0)],
            Number(args, 1, 600)
        );
        ImageItem[] few = items[..Math.Min(items.Length, PartImages)];
        int rounds = Number(args, 2, 5);

        double[] decode = new double[rounds],
            run = new double[rounds],
            decodeAll = new double[rounds],
            runAll = new double[rounds],
            whole = new double[rounds];
        long allocated = 0;
        for (int round = -1; round < rounds; round++)
        {
            double d = Parallel(1, few, Decode(graph)),
                r = Parallel(1, few, RunOnly(graph)),
                da = Parallel(cores, few, Decode(graph)),
                ra = Parallel(cores, few, RunOnly(graph));
            ImageItem[] all = round < 0 ? few : items;
            long before = GC.GetTotalAllocatedBytes(precise: true);
            long started = Stopwatch.GetTimestamp();
            new ImageRunner(graph).Run(all, "features");
            double w = Stopwatch.GetElapsedTime(started).TotalMilliseconds / all.Length;
            if (round < 0)
                continue;
            allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            (decode[round], run[round], decodeAll[round], runAll[round], whole[round]) = (d, r, da, ra, w);
        }

        double limit = (Median(decode) + Median(run)) / cores,
            limitAll = Median(decodeAll) + Median(runAll);
        Console.WriteLine(
            $"{id} at {backbone.Card.DefaultTap}, {items.Length} openclipart images, {cores} cores, medians of "
                + $"{rounds} interleaved rounds"
        );
        Line("decode + preprocess, 1 thread", Median(decode));
        Line("ONNX Runtime batch 1, 1 thread", Median(run));
        Line($"decode + preprocess, {cores} threads", Median(decodeAll));
        Line($"ONNX Runtime batch 1, {cores} threads", Median(runAll));
        Line($"limit from 1 thread ({cores} cores)", limit);
        Line($"limit from {cores} threads", limitAll);
        Line($"whole pipeline, {cores} workers", Median(whole));
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"fraction of the limit: {limit / Median(whole):f3} (parts measured on 1 thread), "
                    + $"{limitAll / Median(whole):f3} (parts measured on {cores} threads)"
            )
        );
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"managed allocation per image: {(double)allocated / items.Length:f0} bytes (features included); "
                    + $"peak memory {Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB"
            )
        );
        return 0;
    }

    private static ImageItem[] Usable(ImageGraph graph, IReadOnlyList<ImageItem> items, int count)
    {
        ImageRows rows = new ImageRunner(graph).Run([.. items.Take(count)], "features");
        ImageItem[] good = [.. rows.Accepted.Select(i => items[i])];
        return [.. Enumerable.Range(0, count).Select(i => good[i % good.Length])];
    }

    private static Func<Action<ImageItem>> Decode(ImageGraph graph) =>
        () =>
        {
            var images = new ImagePreprocessor(graph.Preprocessing);
            var reader = new ImageItemReader();
            var tensor = new float[graph.Preprocessing.TensorLength];
            return item => images.Process(reader.Read(item), tensor);
        };

    private static Func<Action<ImageItem>> RunOnly(ImageGraph graph) =>
        () =>
        {
            ImageGraphWorker worker = graph.CreateWorker();
            var tensor = new float[graph.Preprocessing.TensorLength];
            for (int i = 0; i < tensor.Length; i++)
                tensor[i] = i % 255 / 255f;
            var row = new float[graph.OutputWidth];
            return _ => worker.Run(tensor, row);
        };

    /// <summary>Milliseconds per image, wall time over all items.</summary>
    private static double Parallel(int threads, ImageItem[] items, Func<Action<ImageItem>> makeWork)
    {
        int next = -1;
        long started = Stopwatch.GetTimestamp();
        Thread[] workers =
        [
            .. Enumerable
                .Range(0, threads)
                .Select(_ => new Thread(() =>
                {
                    Action<ImageItem> work = makeWork();
                    int i;
                    while ((i = Interlocked.Increment(ref next)) < items.Length)
                        work(items[i]);
                })),
        ];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
            worker.Join();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds / items.Length;
    }

    private static int Number(string[] args, int index, int otherwise) =>
        args.Length > index ? int.Parse(args[index], System.Globalization.CultureInfo.InvariantCulture) : otherwise;

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    private static void Line(string name, double milliseconds) =>
        Console.WriteLine(
            FormattableString.Invariant(
                $"{name, -40} {milliseconds, 8:f2} ms/image {1000 / milliseconds, 8:f1} images/s"
            )
        );
}
