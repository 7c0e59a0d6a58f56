using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Pipelines;

namespace MlNetTransfer.Benchmarks;

/// <summary>Reading a chain beside the runner under it, in turns; and the memory that a stream of any length takes.</summary>
internal static class ChainBenchmark
{
    private const string Backbone = "mobilenet_v2_140", Tap = "block_13_expand_relu";

    public static int Run(string[] args)
    {
        int images = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 400, rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
        IReadOnlyList<ImageItem> all = OpenClipart.Read().Items;
        ImageItem[] items = [.. Enumerable.Range(0, images).Select(i => all[i % all.Count])];
        var context = new TransferContext(options: new TransferContextOptions { CacheFeatures = false, OnRejected = _ => { } });
        using RowTransformer model = context.Transforms.ApplyBackbone("Features", "Image", Backbone, [Tap]).Fit(View(context, items));
        using var extractor = new FeatureExtractor(new BackboneStore(BackboneCatalog.Default).Open(Backbone), [Tap]);
        var ratios = new List<double>();
        for (int round = 0; round <= rounds; round++)
        {
            double runner = Seconds(() => extractor.Extract(items)), chain = Seconds(() => { foreach (DataBatch _ in model.Transform(View(context, items)).Read(["Features"])) { } });
            if (round == 0) continue;
            ratios.Add(runner / chain);
            Console.WriteLine(FormattableString.Invariant($"round {round}: runner {images / runner:f1} images/s, chain {images / chain:f1} images/s, chain / runner {runner / chain:f3}"));
        }

        ratios.Sort();
        Console.WriteLine(FormattableString.Invariant($"median {ratios[ratios.Count / 2]:f3} (least {ratios[0]:f3}, most {ratios[^1]:f3}) of {rounds} rounds of {images} images"));
        foreach (int length in new[] { images, 4 * images })
        {
            long most = 0, before = GC.GetTotalMemory(forceFullCollection: true);
            foreach (DataBatch batch in model.Transform(View(context, [.. Enumerable.Range(0, length).Select(i => items[i % images])])).Read(["Features"]))
                if (batch.RowNumbers[0] % (4 * batch.Rows) == 0) most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
            Console.WriteLine(FormattableString.Invariant($"{length} images streamed: at most {most / 1048576.0:f1} MiB of managed memory alive"));
        }

        return 0;
    }

    private static IDataView View(TransferContext context, IEnumerable<ImageItem> items) => context.Data.LoadFromEnumerable(items.Select(i => new Row { Image = i }));

    private static double Seconds(Action work)
    {
        long started = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private sealed class Row
    {
        public ImageItem? Image { get; init; }
    }
}
