using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// What training the network adds to a head: accuracy of the strategies on clipart and stamps by folds, and on
/// Fashion-MNIST by its own 2,000 training and 2,000 test images, with 95 % Wilson intervals over all images that were
/// judged, and seconds. One fold is one training run, so that a part of the table can be made at a time.
/// </summary>
internal static class FineTuneBenchmark
{
    private const int Folds = 5,
        Seed = 1;

    /// <param name="args">Tasks, strategies and options in any order: clipart10 stamps8 fashion; head finetune full
    /// scratch; fold=1,2 backbone=ID epochs=N lr=X freeze=F augment=P decay=X headrate=X batch=N draws=N smoothing=X
    /// refit=0|1 head=KIND.</param>
    public static int Run(string[] args)
    {
        Dictionary<string, string> set = args.Where(a => a.Contains('=', StringComparison.Ordinal))
            .Select(a => a.Split('=', 2))
            .ToDictionary(a => a[0], a => a[1]);
        string[] tasks = [.. args.Intersect(["clipart10", "stamps8", "fashion"])],
            strategies = [.. args.Intersect(["head", "finetune", "full", "scratch"])];
        string work = Directory.CreateTempSubdirectory("mlnet-transfer-finetune-").FullName;
        try
        {
            foreach (string task in tasks.Length > 0 ? tasks : ["clipart10", "stamps8", "fashion"])
            {
                (string source, int fold)[] sources =
                [
                    .. Sources(task, work, set.GetValueOrDefault("backbone", "mobilenet_v2_140"), Wanted(set)),
                ];
                foreach (
                    string strategy in strategies.Length > 0 ? strategies : ["head", "finetune", "full", "scratch"]
                )
                    Row(task, sources, strategy, work, set);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static HashSet<int> Wanted(Dictionary<string, string> set) =>
        set.TryGetValue("fold", out string? text)
            ? [.. text.Split(',').Select(f => int.Parse(f, CultureInfo.InvariantCulture))]
            : [.. Enumerable.Range(1, Folds)];

    /// <summary>A data set with a split for every fold that is wanted.</summary>
    private static IEnumerable<(string Source, int Fold)> Sources(
        string task,
        string work,
        string id,
        HashSet<int> wanted
    )
    {
        if (task == "fashion")
        {
            string folder = Path.Combine(work, task);
            FashionMnist.Write(folder, 2000, 2000);
            yield return (folder, 0);
            yield break;
        }

        ImageDataset data = task == "clipart10" ? OpenClipart.Read() : TuxPaintStamps.Read();
        using var extractor = new FeatureExtractor(
            new BackboneStore(BackboneCatalog.Default).Open(id),
            [.. BackboneCatalog.Default.Get(id).Taps.Select(t => t.Name)]
        );
        ImageRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        int[] labels = [.. rows.Accepted.Select(i => data.Items[i].Label)],
            groups = Groups.OfDigests(rows.Digests);
        int[] fold = StratifiedFolds.Assign(labels, groups, Folds, Seed);
        foreach (int f in wanted)
        {
            string path = Path.Combine(work, FormattableString.Invariant($"{task}-{f}.csv"));
            File.WriteAllLines(
                path,
                [
                    "path,label,split",
                    .. Enumerable
                        .Range(0, labels.Length)
                        .Select(i =>
                            $"\"{((FileLocation)data.Items[rows.Accepted[i]].Location).Path}\",{data.ClassNames[labels[i]]},{(fold[i] == f - 1 ? "test" : "train")}"
                        ),
                ]
            );
            yield return (path, f);
        }
    }

    private static void Row(
        string task,
        (string Source, int Fold)[] sources,
        string strategy,
        string work,
        Dictionary<string, string> set
    )
    {
        int right = 0,
            judged = 0;
        List<double> accuracies = [];
        var clock = Stopwatch.StartNew();
        foreach ((string source, int fold) in sources)
        {
            var options = new TrainOptions
            {
                Folder = source,
                Output = Path.Combine(work, "out"),
                Backbone = set.GetValueOrDefault("backbone", "mobilenet_v2_140"),
                Seed = Seed,
                Strategy = TrainingStrategy.All.Find(strategy),
                Head = HeadKind.All.Find(set.GetValueOrDefault("head", "auto")),
                FineTune = Options(set),
            };
            TrainSummary summary = new TrainJob(options).Run();
            accuracies.Add(summary.Accuracy);
            right += (int)Math.Round(summary.Accuracy * summary.TestImages);
            judged += summary.TestImages;
            Console.WriteLine(
                FormattableString.Invariant(
                    $"  {task} {strategy} fold {fold}: {100 * summary.Accuracy:f1} %, log-loss {summary.LogLoss:f3}, ECE {summary.Ece:f3}, epoch {summary.Training?.BestEpoch} of {summary.Training?.Epochs}, {summary.Seconds:f0} s; {string.Join(' ', summary.Training?.Metrics.Where(m => !m.Refit).Select(m => FormattableString.Invariant($"{m.TrainLoss:f2}/{m.ValidationLoss:f3}/{100 * m.ValidationAccuracy:f0}")) ?? [])}"
                )
            );
        }

        Interval interval = WilsonInterval.Of(right, judged);
        double mean = accuracies.Average(),
            deviation = accuracies.Count < 2
                ? 0
                : Math.Sqrt(accuracies.Sum(a => (a - mean) * (a - mean)) / (accuracies.Count - 1));
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{task, -10} {strategy, -9} {100 * mean:f1} +- {100 * deviation:f1}   95 % interval "
                    + $"{100 * interval.Low:f1} to {100 * interval.High:f1} (n = {judged})   "
                    + $"{clock.Elapsed.TotalSeconds:f0} s"
            )
        );
    }

    private static FineTuneOptions Options(Dictionary<string, string> set)
    {
        var defaults = new FineTuneOptions();
        double? Number(string name) =>
            set.TryGetValue(name, out string? text) ? double.Parse(text, CultureInfo.InvariantCulture) : null;
        return defaults with
        {
            Epochs = (int?)Number("epochs"),
            LearningRate = Number("lr"),
            Freeze = set.TryGetValue("freeze", out string? freeze) ? FreezeBoundary.Parse(freeze) : null,
            Augmentation = set.TryGetValue("augment", out string? augment)
                ? Enum.Parse<AugmentationPreset>(augment, ignoreCase: true)
                : defaults.Augmentation,
            Optimizer = set.TryGetValue("optimizer", out string? optimizer)
                ? Enum.Parse<OptimizerKind>(optimizer, ignoreCase: true)
                : defaults.Optimizer,
            BlockDecay = Number("decay") ?? defaults.BlockDecay,
            HeadRate = Number("headrate"),
            BatchSize = (int)(Number("batch") ?? defaults.BatchSize),
            Draws = (int)(Number("draws") ?? defaults.Draws),
            LabelSmoothing = Number("smoothing") ?? defaults.LabelSmoothing,
            WeightDecay = Number("wd") ?? defaults.WeightDecay,
            AverageDecay = Number("ema"),
            Threads = (int?)Number("threads"),
            ValidationFraction = Number("validation") ?? defaults.ValidationFraction,
            Refit = set.GetValueOrDefault("refit", "1") == "1",
        };
    }
}
