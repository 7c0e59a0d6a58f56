using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// Accuracy of training runs on three tasks, per backbone and tap, beside scikit-learn's logistic regression on the very same features, rows and
/// folds: clipart and stamps by 5 folds, Fashion-MNIST by its own 2,000 training and 2,000 test images.
/// </summary>
internal static class AccuracyBenchmark
{
    private const int Folds = 5, Seed = 1;

    public static int Run(string[] args)
    {
        string work = Directory.CreateTempSubdirectory("mlnet-transfer-accuracy-").FullName;
        try
        {
            PackagedFolders.WriteList(OpenClipart.Read(), Path.Combine(work, "clipart10.csv"));
            PackagedFolders.WriteList(TuxPaintStamps.Read(), Path.Combine(work, "stamps8.csv"));
            FashionMnist.Write(Path.Combine(work, "fashion"), 2000, 2000);
            foreach (string id in args.Length > 0 ? args : ["mobilenet_v2_140", "mobilenet_v2"])
                foreach (string task in (string[])["clipart10.csv", "stamps8.csv", "fashion"])
                    Task(id, Path.Combine(work, task), Path.Combine(work, "out"));
            return 0;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static void Task(string id, string source, string output)
    {
        BackboneCard card = BackboneCatalog.Default.Get(id);
        string[] all = [.. card.Taps.Select(t => t.Name)];
        ImageDataset data = DatasetReader.Read(source);
        int folds = data.Splits is null ? Folds : 0;
        Console.WriteLine($"{id} on {Path.GetFileNameWithoutExtension(source)}: {data.Items.Count} images, {data.ClassNames.Count} classes, {(folds > 0 ? $"{folds} folds" : "its own test part")}; accuracy in %");
        foreach (string[] taps in (string[][])[.. all.Select(t => new[] { t }), all])
        {
            TrainSummary ours = Train(taps);
            Console.WriteLine(FormattableString.Invariant($"  {(taps.Length == 1 ? taps[0] : "all taps"),-26} {Figure(ours),-14} scikit-learn {Sklearn(id, taps, data, folds),-14} log-loss {ours.LogLoss:f3}"));
        }

        TrainSummary auto = Train(null);
        Console.WriteLine(FormattableString.Invariant($"  {"auto",-26} {Figure(auto),-14} took {string.Join(" + ", auto.Taps)}, {auto.Head}; log-loss {auto.LogLoss:f3}; ECE {auto.EceUncalibrated:f3} before calibration, {auto.Ece:f3} after"));

        TrainSummary Train(string[]? taps) => new TrainJob(new TrainOptions { Folder = source, Output = output, Backbone = id, Taps = taps, Head = taps is null ? HeadKind.Auto : HeadKind.Softmax, Folds = folds, Seed = Seed }).Run();
    }

    private static string Figure(TrainSummary summary) => summary.FoldAccuracies.Count > 0
        ? FormattableString.Invariant($"{100 * summary.FoldAccuracyMean:f1} +- {100 * summary.FoldAccuracySd:f1}")
        : FormattableString.Invariant($"{100 * summary.Accuracy:f1}");

    private static string Sklearn(string id, string[] taps, ImageDataset data, int folds)
    {
        using var extractor = new FeatureExtractor(new BackboneStore(BackboneCatalog.Default).Open(id), taps);
        ImageRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        int[] labels = [.. rows.Accepted.Select(i => data.Items[i].Label)];
        int[] groups = Groups.OfDigests(rows.Digests);
        int[] fold = folds == 0 ? [.. rows.Accepted.Select(i => data.Splits![i] == SplitPart.Test ? 0 : -1)]
            : groups.Distinct().Count() < groups.Length ? StratifiedFolds.Assign(labels, groups, folds, Seed) : StratifiedFolds.Assign(labels, folds, Seed);
        string file = Path.GetTempFileName();
        try
        {
            using (var stream = File.Create(file))
            {
                stream.Write(MemoryMarshal.AsBytes(rows.Values.AsSpan()));
                stream.Write(MemoryMarshal.AsBytes(labels.AsSpan()));
                stream.Write(MemoryMarshal.AsBytes(fold.AsSpan()));
            }

            using Process python = Process.Start(new ProcessStartInfo("/usr/bin/python3", ["-", file, labels.Length.ToString(CultureInfo.InvariantCulture), rows.Width.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
            python.StandardInput.Write(Script);
            python.StandardInput.Close();
            return python.StandardOutput.ReadToEnd().Trim();
        }
        finally
        {
            File.Delete(file);
        }
    }

    private const string Script = """
        import sys, warnings
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
        warnings.simplefilter("ignore")
        name, n, d = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        with open(name, "rb") as f:
            x = np.fromfile(f, np.float32, n * d).reshape(n, d)
            y = np.fromfile(f, np.int32, n)
            fold = np.fromfile(f, np.int32, n)
        a = []
        for k in range(fold.max() + 1):
            s = StandardScaler().fit(x[fold != k])
            m = LogisticRegression(max_iter=2000).fit(s.transform(x[fold != k]), y[fold != k])
            a.append(100 * m.score(s.transform(x[fold == k]), y[fold == k]))
        print("%.1f +- %.1f" % (np.mean(a), np.std(a, ddof=1)) if len(a) > 1 else "%.1f" % a[0])
        """;
}
