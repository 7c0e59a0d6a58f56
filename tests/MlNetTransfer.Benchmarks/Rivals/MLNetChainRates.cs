using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// FeaturizeImages beside ML.NET's own chains over the same files and beside the runner under it, in turns, for any
/// backbone: images per second and managed allocation per image.
/// </summary>
internal static class MLNetChainRates
{
    public static int Run(string[] args)
    {
        string id = args.Length > 0 ? args[0] : BackboneCatalog.DefaultId;
        int images = Number(args, 1, 600),
            rounds = Number(args, 2, 3);
        // A few drawings have 169 megapixels, which are refused here and hours elsewhere.
        DataItem[] all =
        [
            .. OpenClipart.Read().Items.Where(i => new FileInfo(((FileLocation)i.Location).Path).Length < 150_000),
        ];
        string[] files =
        [
            .. Enumerable.Range(0, images).Select(i => ((FileLocation)all[i % all.Length].Location).Path),
        ];
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(id);
        using MLNetChains chains = new(backbone, files);
        using var extractor = new FeatureExtractor(backbone);
        List<(string Name, Action Work)> rivals =
        [
            ("runner", () => extractor.Extract([.. files.Select(f => new DataItem(f, f))])),
            ("FeaturizeImages", chains.FeaturizeImages),
            ("stock ApplyOnnxModel", chains.ApplyOnnxModel),
        ];
        if (chains.HasDnn)
            rivals.Add(("stock DnnFeaturizeImage", chains.DnnFeaturizeImage));
        Measure(rivals, images, rounds, $"{id}, {images} images, {Environment.ProcessorCount} processors");
        return 0;
    }

    private static int Number(string[] args, int index, int otherwise) =>
        args.Length <= index ? otherwise
        : int.TryParse(args[index], CultureInfo.InvariantCulture, out int n) && n > 0 ? n
        : throw new UsageException($"mlnet takes a backbone, images and rounds; '{args[index]}' is no number.");

    private static void Measure(List<(string Name, Action Work)> rivals, int images, int rounds, string title)
    {
        Console.WriteLine(title);
        Dictionary<string, List<(double Rate, double KiB)>> found = rivals.ToDictionary(
            r => r.Name,
            _ => new List<(double, double)>()
        );
        for (int round = 0; round <= rounds; round++)
        {
            foreach ((string name, Action work) in rivals)
            {
                GC.Collect();
                long before = GC.GetTotalAllocatedBytes(precise: true),
                    start = Stopwatch.GetTimestamp();
                work();
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                // The first round warms up.
                if (round > 0)
                    found[name]
                        .Add((images / seconds, (GC.GetTotalAllocatedBytes(precise: true) - before) / 1024.0 / images));
            }
        }

        double own = Median(found["FeaturizeImages"].Select(f => f.Rate));
        foreach ((string name, List<(double Rate, double KiB)> all) in found)
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  {name, -24} {Median(all.Select(f => f.Rate)), 7:f1} images/s (of {rounds} rounds "
                        + $"{all.Min(f => f.Rate):f1} to {all.Max(f => f.Rate):f1})  "
                        + $"{Median(all.Select(f => f.KiB)), 8:f1} KiB per image   FeaturizeImages is "
                        + $"{own / Median(all.Select(f => f.Rate)):f2} times as fast"
                )
            );
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1
            ? sorted[sorted.Length / 2]
            : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
