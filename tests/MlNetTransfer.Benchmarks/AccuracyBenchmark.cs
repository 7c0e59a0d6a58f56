using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// Accuracy on three tasks: of a softmax head per backbone and tap, beside scikit-learn's logistic regression on the
/// very same features, rows and folds; and of a training run with all its defaults. Clipart and stamps by 5 folds,
/// Fashion-MNIST by its own 2,000 training and 2,000 test images.
/// </summary>
internal static class AccuracyBenchmark
{
    private const int Folds = 5,
        Seed = 1;

    public static int Run(string[] args)
    {
        string work = Directory.CreateTempSubdirectory("mlnet-transfer-accuracy-").FullName;
        try
        {
            PackagedFolders.WriteList(OpenClipart.Read(), Path.Combine(work, "clipart10.csv"));
            PackagedFolders.WriteList(TuxPaintStamps.Read(), Path.Combine(work, "stamps8.csv"));
            if (args is ["defaults", ..])
                return Defaults(
                    args.ElementAtOrDefault(1) ?? BackboneCatalog.DefaultId,
                    [
                        Repository.At("data-samples/clipart"),
                        Path.Combine(work, "stamps8.csv"),
                        Path.Combine(work, "clipart10.csv"),
                    ],
                    Path.Combine(work, "out")
                );
            FashionMnist.Write(Path.Combine(work, "fashion"), 2000, 2000);
            foreach (string id in args.Length > 0 ? args : [BackboneCatalog.DefaultId])
            foreach (string task in (string[])["clipart10.csv", "stamps8.csv", "fashion"])
                Task(id, Path.Combine(work, task), Path.Combine(work, "out"));
            return 0;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>
    /// A training run with all its defaults beside scikit-learn on the default tap's features, on the same folds, with
    /// three seeds.
    /// </summary>
    private static int Defaults(string id, IReadOnlyList<string> sources, string output)
    {
        BackboneCard card = BackboneCatalog.Default.Get(id);
        Console.WriteLine(
            $"{id}, {Folds} folds, seeds 1 to 3; accuracy in %, mean and standard deviation of the folds"
        );
        foreach (string source in sources)
        {
            ImageDataset data = DatasetReader.Read(source);
            using var extractor = new FeatureExtractor(
                new BackboneStore(BackboneCatalog.Default).Open(id),
                [card.DefaultTap]
            );
            ImageRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
            var table = new FeatureTable(
                data.ClassNames,
                [.. rows.Accepted.Select(i => data.Items[i].Label)],
                rows.Values,
                rows.Width
            );
            var ours = new List<double>();
            for (int seed = 1; seed <= 3; seed++)
            {
                TrainSummary auto = new TrainJob(
                    new TrainOptions
                    {
                        Folder = source,
                        Output = output,
                        Backbone = id,
                        Folds = Folds,
                        Seed = seed,
                    }
                ).Run();
                ours.Add(auto.Accuracy);
                string taken = auto.Taps.Count == 1 ? auto.Taps[0] : $"{auto.Taps.Count} taps together";
                Console.WriteLine(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"  {Path.GetFileNameWithoutExtension(source), -10} seed {seed}: train "
                            + $"{100 * auto.Accuracy:f1} ({taken}, {auto.Head}); scikit-learn "
                            + $"{Sklearn(table, FoldsOf(data, rows, table, Folds, seed))}"
                    )
                );
            }

            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  {Path.GetFileNameWithoutExtension(source), -10} train, mean of seeds "
                        + $"{100 * ours.Average():f1} ({table.Rows} images, {table.Classes} classes)"
                )
            );
        }

        return 0;
    }

    private static void Task(string id, string source, string output)
    {
        BackboneCard card = BackboneCatalog.Default.Get(id);
        ImageDataset data = DatasetReader.Read(source);
        int folds = data.Splits is null ? Folds : 0;
        using var extractor = new FeatureExtractor(
            new BackboneStore(BackboneCatalog.Default).Open(id),
            [.. card.Taps.Select(t => t.Name)]
        );
        ImageRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        var table = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        int[] fold = FoldsOf(data, rows, table, folds, Seed);
        Console.WriteLine(
            $"{id} on {Path.GetFileNameWithoutExtension(source)}: {table.Rows} images, {table.Classes} classes, "
                + $"{(folds > 0 ? $"{folds} folds" : "its own test part")}; accuracy in %, mean and standard "
                + $"deviation of the folds"
        );
        int start = 0;
        foreach (BackboneTap tap in card.Taps)
        {
            Row(tap.Name, table.Columns(start, tap.Width), fold);
            start += tap.Width;
        }

        TrainSummary auto = new TrainJob(
            new TrainOptions
            {
                Folder = source,
                Output = output,
                Backbone = id,
                Folds = folds,
                Seed = Seed,
            }
        ).Run();
        string figure = auto.FoldAccuracies.Count > 0 ? Figure([.. auto.FoldAccuracies]) : Figure([auto.Accuracy]);
        string taken = auto.Taps.Count == 1 ? auto.Taps[0] : $"{auto.Taps.Count} taps together";
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"  {"train, all defaults", -26} {figure, -14} took {taken}, {auto.Head}; log-loss "
                    + $"{auto.LogLoss:f3}; ECE {auto.EceUncalibrated:f3} before calibration, {auto.Ece:f3} after"
            )
        );
    }

    /// <summary>
    /// The folds that the training job makes of the same images; where the images come with a split, its test part is
    /// fold 0 and the rest -1.
    /// </summary>
    private static int[] FoldsOf(ImageDataset data, ImageRows rows, FeatureTable table, int folds, int seed)
    {
        if (folds == 0)
            return [.. rows.Accepted.Select(i => data.Splits![i] == SplitPart.Test ? 0 : -1)];
        int[] groups = Groups.OfDigests(rows.Digests);
        return groups.Distinct().Count() < groups.Length
            ? StratifiedFolds.Assign(table.Labels, groups, folds, seed, table.ClassNames, rows.Digests)
            : StratifiedFolds.Assign(table.Labels, folds, seed, table.ClassNames, rows.Digests);
    }

    private static void Row(string name, FeatureTable table, int[] fold)
    {
        int[] rows = [.. Enumerable.Range(0, table.Rows)];
        Console.WriteLine(
            $"  {name, -26} {Figure(Accuracies(null)), -14} at scikit-learn's penalty "
                + $"{Figure(Accuracies(n => 1.0 / n)), -14} scikit-learn {Sklearn(table, fold)}"
        );

        // scikit-learn minimises the sum of losses + ||W||²/2 at its default C = 1: with our mean of losses, L2 = 1 /
        // rows.
        double[] Accuracies(Func<int, double>? penalty) =>
            [
                .. Enumerable
                    .Range(0, fold.Max() + 1)
                    .Select(f =>
                    {
                        FeatureTable test = table.Select(Array.FindAll(rows, r => fold[r] == f)),
                            train = table.Select(Array.FindAll(rows, r => fold[r] != f));
                        SoftmaxHead head = new SoftmaxTrainer(
                            new SoftmaxTrainerOptions { Seed = Seed, L2 = penalty?.Invoke(train.Rows) }
                        ).Fit(train);
                        return ClassificationReport.Of(table.ClassNames, test.Labels, head.Predict(test)).Accuracy;
                    }),
            ];
    }

    private static string Figure(double[] accuracies)
    {
        double mean = accuracies.Average();
        return accuracies.Length == 1
            ? FormattableString.Invariant($"{100 * mean:f1}")
            : string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{100 * mean:f1} +- "
                    + $"{100 * Math.Sqrt(accuracies.Sum(a => (a - mean) * (a - mean)) / (accuracies.Length - 1)):f1}"
            );
    }

    private static string Sklearn(FeatureTable table, int[] fold)
    {
        string file = Path.GetTempFileName();
        try
        {
            using (var stream = File.Create(file))
            {
                stream.Write(MemoryMarshal.AsBytes(table.Values.AsSpan()));
                stream.Write(MemoryMarshal.AsBytes(table.Labels.AsSpan()));
                stream.Write(MemoryMarshal.AsBytes(fold.AsSpan()));
            }

            using Process python = Process.Start(
                new ProcessStartInfo(
                    "/usr/bin/python3",
                    [
                        "-",
                        file,
                        table.Rows.ToString(CultureInfo.InvariantCulture),
                        table.Width.ToString(CultureInfo.InvariantCulture),
                    ]
                )
                {
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                }
            )!;
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
