using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// What training the network adds to a head: accuracy of the strategies on clipart and stamps by folds, and on
/// Fashion-MNIST by its own 2,000 training and 2,000 test images, with 95 % Wilson intervals over all images that were
/// judged, and seconds. One fold is one training run, so that a part of the table can be made at a time.
/// </summary>
internal static class FineTuneExperiment
{
    private const int Folds = 5,
        Seed = 1;

    /// <param name="args">Tasks, strategies and options in any order: clipart10 stamps8 fashion; head finetune full
    /// scratch; fold=1,2 backbone=ID epochs=N lr=X freeze=F augment=P decay=X headrate=X batch=N draws=N smoothing=X
    /// wd=X ema=X dropout=X l2sp=X patience=N validation=X threads=N optimizer=O bn=0|1 parameters=affine refit=0|1
    /// blend=0|1 taps=NAME,NAME head=KIND; n=N takes so many training images of each class, keep=FOLDER keeps the runs;
    /// or "kills N": trainings killed N times each.</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(string[] args, Experiment experiment)
    {
        if (args is ["kills", ..])
            return TrainingKills.Run(args is [_, var n] ? int.Parse(n, CultureInfo.InvariantCulture) : 15, experiment);
        Dictionary<string, string> set = args.Where(a => a.Contains('=', StringComparison.Ordinal))
            .Select(a => a.Split('=', 2))
            .ToDictionary(a => a[0], a => a[1]);
        string[] tasks = [.. args.Intersect(["clipart10", "stamps8", "fashion"])],
            strategies = [.. args.Intersect(["head", "finetune", "full", "scratch"])];
        if (args.Except(tasks).Except(strategies).FirstOrDefault(a => !a.Contains('=')) is { } unknown)
            throw new TransferException($"'{unknown}' is no task, no strategy and no NAME=VALUE.");
        using Scratch work = new();
        Table table = experiment.Table(
            $"Seed {Seed}; accuracy of each fold, then mean ± standard deviation of the folds with the 95 % Wilson "
                + $"interval over all images judged; training loss/validation loss/validation accuracy of each epoch",
            Column.Text("task", 9),
            Column.Text("strategy", 9),
            Column.Text("fold", 4),
            Column.Percent("accuracy", 26),
            Column.Number("images"),
            Column.Number("logLoss", "0.000"),
            Column.Number("ece", "0.000"),
            Column.Number("rate", "g2"),
            Column.Number("epoch"),
            Column.Number("epochs"),
            Column.Number("seconds"),
            Column.Text("history")
        );
        foreach (string task in tasks.Length > 0 ? tasks : ["clipart10", "stamps8", "fashion"])
        {
            (string source, int fold)[] sources =
            [
                .. Sources(
                    task,
                    work.Path,
                    set.GetValueOrDefault("backbone", BackboneCatalog.DefaultId),
                    Wanted(set),
                    set.TryGetValue("n", out string? n) ? int.Parse(n, CultureInfo.InvariantCulture) : int.MaxValue
                ),
            ];
            foreach (string strategy in strategies.Length > 0 ? strategies : ["head", "finetune", "full", "scratch"])
                Row(table, task, sources, strategy, work.File("out"), set);
        }

        return 0;
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
        HashSet<int> wanted,
        int perClass
    )
    {
        if (task == "fashion")
        {
            string folder = Path.Combine(work, task);
            FashionMnist.Write(folder, perClass == int.MaxValue ? 2000 : 10 * perClass, 2000);
            yield return (folder, 0);
            yield break;
        }

        Dataset data = task == "clipart10" ? OpenClipart.Read() : TuxPaintStamps.Read();
        using var extractor = new FeatureExtractor(
            new BackboneStore(BackboneCatalog.Default).Open(id),
            [.. BackboneCatalog.Default.Get(id).Taps.Select(t => t.Name)]
        );
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        int[] labels = [.. rows.Accepted.Select(i => data.Items[i].Label)],
            groups = Groups.OfDigests(rows.Digests);
        int[] fold = StratifiedFolds.Assign(labels, groups, Folds, Seed);
        foreach (int f in wanted)
        {
            string path = Path.Combine(work, FormattableString.Invariant($"{task}-{f}.csv"));
            HashSet<int> left =
            [
                .. Enumerable
                    .Range(0, labels.Length)
                    .Where(i => fold[i] != f - 1)
                    .OrderBy(i => Convert.ToHexString(rows.Digests.AsSpan(32 * i, 32)), StringComparer.Ordinal)
                    .GroupBy(i => labels[i])
                    .SelectMany(g => g.Skip(perClass)),
            ];
            File.WriteAllLines(
                path,
                [
                    "path,label,split",
                    .. Enumerable
                        .Range(0, labels.Length)
                        .Where(i => !left.Contains(i))
                        .Select(i =>
                        {
                            string file = ((FileLocation)data.Items[rows.Accepted[i]].Location).Path;
                            return $"\"{file}\",{data.ClassNames[labels[i]]},{(fold[i] == f - 1 ? "test" : "train")}";
                        }),
                ]
            );
            yield return (path, f);
        }
    }

    private static void Row(
        Table table,
        string task,
        (string Source, int Fold)[] sources,
        string strategy,
        string output,
        Dictionary<string, string> set
    )
    {
        int right = 0,
            judged = 0;
        List<double> accuracies = [];
        long started = Stopwatch.GetTimestamp();
        foreach ((string source, int fold) in sources)
        {
            var options = new TrainOptions
            {
                Folder = source,
                Output = set.TryGetValue("keep", out string? keep)
                    ? Path.Combine(keep, FormattableString.Invariant($"{task}-{strategy}-{fold}"))
                    : output,
                Backbone = set.GetValueOrDefault("backbone", BackboneCatalog.DefaultId),
                Seed = Seed,
                Strategy = TrainingStrategy.All.Find(strategy),
                Head = HeadKind.All.Find(set.GetValueOrDefault("head", "auto")),
                Taps = set.TryGetValue("taps", out string? taps) ? taps.Split(',') : null,
                FineTune = Options(set),
            };
            TrainSummary summary = new TrainJob(options).Run();
            accuracies.Add(summary.Accuracy);
            right += (int)Math.Round(summary.Accuracy * summary.TestImages);
            judged += summary.TestImages;
            table.Add(
                task,
                strategy,
                $"{fold}",
                summary.Accuracy,
                summary.TestImages,
                summary.LogLoss,
                summary.Ece,
                summary.Training?.LearningRate,
                summary.Training?.BestEpoch,
                summary.Training?.Epochs,
                summary.Seconds,
                History(summary)
            );
        }

        Figure all = Figure.OfSample(accuracies) with { Interval = WilsonInterval.Of(right, judged) };
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        table.Add(task, strategy, "all", all, judged, null, null, null, null, null, seconds, null);
    }

    private static string? History(TrainSummary summary) =>
        summary.Training is null
            ? null
            : string.Join(
                ' ',
                summary
                    .Training.Rates.Select(r => FormattableString.Invariant($"{r.Rate:g2}:{r.ValidationLoss:f3}"))
                    .Concat(
                        summary
                            .Training.Metrics.Where(m => !m.Refit)
                            .Select(m =>
                                FormattableString.Invariant(
                                    $"{m.TrainLoss:f2}/{m.ValidationLoss:f3}/{100 * m.ValidationAccuracy:f0}"
                                )
                            )
                    )
            );

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
            Patience = (int?)Number("patience"),
            Dropout = Number("dropout") ?? defaults.Dropout,
            StartingPointDecay = Number("l2sp") ?? defaults.StartingPointDecay,
            Parameters =
                set.GetValueOrDefault("parameters") == "affine" ? TrainedParameters.Affine : TrainedParameters.All,
            BatchStatistics = set.TryGetValue("bn", out string? bn) ? bn == "1" : null,
            Threads = (int?)Number("threads"),
            ValidationFraction = Number("validation") ?? defaults.ValidationFraction,
            Refit = set.GetValueOrDefault("refit", "1") == "1",
            Blend = set.GetValueOrDefault("blend", "1") == "1",
        };
    }
}
