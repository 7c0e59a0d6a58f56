using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Every strategy on the same draw of training images of each class, judged on the same others: what advice should have
/// said, beside what the automatic choice takes. A row is one training, so that a part can be made at a time; "all" is
/// at most 240 images.
/// </summary>
internal static class StrategiesExperiment
{
    private const int Seed = 1,
        MostTest = 200,
        MostTrain = 240;

    /// <summary>The strategies, and what each freezes; the last looks at its training images and takes one.</summary>
    private static readonly (string Name, TrainingStrategy Strategy, double? Freeze)[] Ways =
    [
        ("head", TrainingStrategy.Head, null),
        ("freeze 0.8", TrainingStrategy.FineTune, 0.8),
        ("freeze 0.4", TrainingStrategy.FineTune, 0.4),
        ("freeze 0", TrainingStrategy.Full, null),
        ("auto", TrainingStrategy.Auto, null),
    ];

    /// <param name="args">Tasks, sizes (images a class, or all), backbone=ID, ways=a,b (the head always), minutes=N for
    /// the automatic choice, in any order.</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string[] names = [.. AdviceTasks.All.Keys],
            tasks = [.. args.Where(names.Contains)],
            sizes = [.. args.Where(a => a == "all" || int.TryParse(a, CultureInfo.InvariantCulture, out _))];
        string? backbone = Given("backbone=");
        string[] ways = Given("ways=")?.Split(',') ?? [.. Ways.Select(way => way.Name)];
        TimeSpan? time = Given("minutes=") is { } minutes
            ? TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture))
            : null;
        Table table = experiment.Table(
            $"Draw {Seed}; all ways on the same images; gain over the head with its 95 % interval in points",
            Column.Text("task", 10),
            Column.Text("per class", 9),
            Column.Number("train"),
            Column.Number("test"),
            Column.Text("way", 14),
            Column.Percent("accuracy"),
            Column.Number("logLoss", "0.000"),
            Column.Number("gain", "0.0"),
            Column.Text("interval", 15),
            Column.Number("epochs"),
            Column.Number("seconds")
        );
        foreach (string size in sizes.Length > 0 ? sizes : ["5", "20", "all"])
        foreach (string task in tasks.Length > 0 ? tasks : names)
            Cell(task, size, AdviceTasks.List(task, size, MostTrain, MostTest, Seed, work));
        return 0;

        string? Given(string name) =>
            args.FirstOrDefault(a => a.StartsWith(name, StringComparison.Ordinal))?[name.Length..];

        void Cell(string task, string size, string list) =>
            StrategiesExperiment.Cell(
                task,
                size,
                new TrainOptions
                {
                    Folder = list,
                    Output = work.File("out"),
                    Backbone = backbone ?? BackboneCatalog.DefaultId,
                },
                ways,
                time,
                table
            );
    }

    private static void Cell(
        string task,
        string size,
        TrainOptions standard,
        string[] ways,
        TimeSpan? time,
        Table table
    )
    {
        IReadOnlyList<bool>? head = null;
        foreach (
            (string name, TrainingStrategy strategy, double? freeze) in Ways.Where(
                (way, i) => i == 0 || ways.Contains(way.Name)
            )
        )
        {
            TrainOptions options = standard with { Seed = Seed, Strategy = strategy };
            if (freeze is { } share)
                options = options with { FineTune = new FineTuneOptions { Freeze = FreezeBoundary.OfFraction(share) } };
            if (strategy.Chooses)
                options = options with { FineTune = new FineTuneOptions { TimeBudget = time } };
            TrainSummary summary = new TrainJob(options).Run();
            bool[] right =
            [
                .. summary
                    .Predictions.OrderBy(p => p.File, StringComparer.Ordinal)
                    .Select(p => summary.PerClass[p.Predicted].Name == p.Truth),
            ];
            head ??= right;
            var gain = PairedDifference.Of([.. head], right);
            Interval interval = gain.Interval();
            table.Add(
                task,
                size,
                summary.TrainImages,
                summary.TestImages,
                summary.Strategies.Count > 0 ? $"{name}: {summary.Strategy}" : name,
                new Figure(summary.Accuracy),
                summary.LogLoss,
                100 * gain.Value,
                FormattableString.Invariant($"{100 * interval.Low:f1} to {100 * interval.High:f1}"),
                summary.Training?.Epochs ?? 0,
                summary.Seconds
            );
        }
    }
}

/// <summary>Six tasks of different kinds of images, drawn to a number of training images a class.</summary>
internal static class AdviceTasks
{
    /// <summary>Name and images of each.</summary>
    public static IReadOnlyDictionary<string, Func<Scratch, Dataset>> All { get; } =
        PackagedTasks
            .All.Select(task => (task.Key, Read: (Func<Scratch, Dataset>)(_ => task.Value())))
            .Append(("fashion", Fashion))
            .ToDictionary(task => task.Item1, task => task.Item2);

    /// <summary>Writes a list whose split has the drawn images to train on, and others to judge on.</summary>
    /// <param name="task">Name of the task.</param>
    /// <param name="size">Training images of each class, or "all".</param>
    /// <param name="mostTrain">Training images at most.</param>
    /// <param name="mostTest">Test images at most, evenly over the classes.</param>
    /// <param name="seed">Seed of the draw.</param>
    /// <param name="work">Where to write.</param>
    public static string List(string task, string size, int mostTrain, int mostTest, int seed, Scratch work)
    {
        Dataset data = All[task](work);
        int classes = data.ClassNames.Count,
            test = mostTest / classes,
            train = size == "all" ? mostTrain / classes : int.Parse(size, CultureInfo.InvariantCulture);
        var rng = new Rng(seed);
        List<string> lines = ["path,label,split"];
        foreach (IGrouping<int, DataItem> own in data.Items.GroupBy(item => item.Label).OrderBy(g => g.Key))
        {
            DataItem[] items = [.. own];
            rng.Shuffle(items);
            // A quarter is kept to judge on, whatever the size.
            int held = Math.Min(test, items.Length / 4);
            lines.AddRange(items.Take(held).Select(item => Line(item, data, "test")));
            lines.AddRange(items.Skip(held).Take(train).Select(item => Line(item, data, "train")));
        }

        string path = work.File($"{task}-{size}.csv");
        File.WriteAllLines(path, lines);
        return path;
    }

    private static string Line(DataItem item, Dataset data, string part) =>
        $"\"{((FileLocation)item.Location).Path}\",{data.ClassNames[item.Label]},{part}";

    private static Dataset Fashion(Scratch work)
    {
        string folder = work.File("fashion");
        if (!Directory.Exists(folder))
            FashionMnist.Write(folder, 1500, 10);
        return DatasetReader.Read(Path.Combine(folder, "train"));
    }
}
