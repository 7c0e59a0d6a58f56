using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Each backbone alone, and the automatic choice among them and pairs of them, on the same folds: accuracy with all
/// other options at their defaults, three seeds. Of the choice also its accuracy less that of the single backbone which
/// turned out the most accurate on the very same images: that one is known by hindsight only, and best of several by
/// luck too. Fashion-MNIST by its own 2,000 training and 2,000 test images, the rest by 5 folds.
/// </summary>
internal static class BackbonesExperiment
{
    private const int Folds = 5;
    private static readonly int[] Seeds = [1, 2, 3];

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        Dictionary<string, Func<string>> tasks = PackagedTasks.All.ToDictionary(
            task => task.Key,
            task => (Func<string>)(() => List(task.Value(), work.File($"{task.Key}.csv")))
        );
        tasks["fashion"] = () =>
        {
            FashionMnist.Write(work.File("fashion"), 2000, 2000);
            return work.File("fashion");
        };
        string[] asked = [.. args.Where(tasks.ContainsKey)],
            ids = [.. args.Except(asked)];
        if (ids.Length == 0)
            ids = [.. BackboneCatalog.Default.OfImagesHere.Select(card => card.Id)];
        Table runs = experiment.Table(
            $"accuracy by {Folds} folds, of fashion on its test images; chosen: by each fold's training images",
            Column.Text("task", 10),
            Column.Text("backbone", 28),
            Column.Text("seed", 4),
            Column.Percent("accuracy"),
            Column.Number("logLoss", "0.000"),
            Column.Number("images"),
            Column.Text("written", 28),
            Column.Text("chosen")
        );
        List<Result> results = [];
        foreach (string task in asked.Length > 0 ? asked : [.. tasks.Keys])
            results.Add(Task(task, tasks[task](), ids, work.File("out"), runs));
        Table table = experiment.Table(
            "auto less the best single backbone by hindsight, and less the default; paired by fold and seed where "
                + "there are folds, 95 % by Student's t (folds share training images, so it is rather too narrow), else "
                + "as if the two were independent (too wide); ms per image of decoding and featurising on one core",
            Column.Text("task", 10),
            Column.Text("best single", 18),
            Column.Percent("single"),
            Column.Percent("auto"),
            Column.Number("to single", "0.0"),
            Column.Text("interval", 16),
            Column.Number($"to {BackboneCatalog.DefaultId}", "0.0"),
            Column.Text("interval ", 16),
            Column.Number("ms single", "0"),
            Column.Number("ms auto", "0")
        );
        foreach (Result result in results)
        {
            string best = ids.MaxBy(id => result.Mean(id))!;
            (double behind, string interval) = result.Difference(best);
            (double gain, string gained) = ids.Contains(BackboneCatalog.DefaultId)
                ? result.Difference(BackboneCatalog.DefaultId)
                : (double.NaN, "");
            table.Add(
                result.Task,
                best,
                new Figure(result.Mean(best)),
                new Figure(result.Mean(BackboneCandidates.Auto)),
                100 * behind,
                interval,
                100 * gain,
                gained,
                result.Milliseconds.GetValueOrDefault(best, double.NaN),
                result.MeanMilliseconds
            );
        }

        double difference = results.Average(r => r.Mean(BackboneCandidates.Auto) - r.Mean(ids.MaxBy(r.Mean)!));
        experiment.Note(
            FormattableString.Invariant(
                $"Mean over {results.Count} tasks of auto less the best single: {100 * difference:f2} points."
            )
        );
        return 0;
    }

    private static string List(Dataset data, string path)
    {
        PackagedFolders.WriteList(data, path);
        return path;
    }

    private static Result Task(string task, string source, string[] ids, string output, Table runs)
    {
        bool split = Directory.Exists(source);
        Result result = new(task);
        foreach (string id in ids.Append(BackboneCandidates.Auto))
        foreach (int seed in Seeds)
        {
            TrainSummary summary = new TrainJob(
                new TrainOptions
                {
                    Folder = source,
                    Output = output,
                    Backbone = id,
                    Backbones = id == BackboneCandidates.Auto ? ids : null,
                    Folds = split ? null : Folds,
                    Seed = seed,
                }
            ).Run();
            result.Add(id, summary);
            runs.Add(
                task,
                id,
                $"{seed}",
                new Figure(summary.Accuracy),
                summary.LogLoss,
                summary.TestImages,
                summary.Backbone,
                string.Join(", ", summary.FoldBackbones.CountBy(b => b).Select(b => $"{b.Key} {b.Value}"))
            );
        }

        return result;
    }

    /// <summary>Accuracies of a task: of each backbone and of auto, by seed and fold.</summary>
    private sealed class Result(string task)
    {
        private readonly Dictionary<string, List<TrainSummary>> runs = [];

        public string Task => task;

        /// <summary>Milliseconds per image of each backbone, as the runs of auto measured it.</summary>
        public Dictionary<string, double> Milliseconds { get; } = [];

        /// <summary>Of what auto took, folds counted where there are some.</summary>
        public double MeanMilliseconds =>
            runs[BackboneCandidates.Auto]
                .SelectMany(run => run.FoldBackbones.Count > 0 ? run.FoldBackbones : [run.Backbone])
                .Average(id => Milliseconds.GetValueOrDefault(id, double.NaN));

        public void Add(string id, TrainSummary summary)
        {
            if (!runs.TryGetValue(id, out List<TrainSummary>? list))
                runs[id] = list = [];
            list.Add(summary);
            foreach (LeaderboardRow row in summary.Leaderboard)
                Milliseconds[row.Backbone] = Math.Min(
                    row.Milliseconds,
                    Milliseconds.GetValueOrDefault(row.Backbone, double.PositiveInfinity)
                );
        }

        public double Mean(string id) => runs[id].Average(run => run.Accuracy);

        /// <summary>Auto less a backbone, and the interval in points.</summary>
        public (double Value, string Interval) Difference(string id)
        {
            double value = Mean(BackboneCandidates.Auto) - Mean(id),
                half;
            double[] pairs =
            [
                .. runs[BackboneCandidates.Auto]
                    .Zip(runs[id])
                    .SelectMany(run => run.First.FoldAccuracies.Zip(run.Second.FoldAccuracies, (a, b) => a - b)),
            ];
            if (pairs.Length > 1)
            {
                // Student's t of 14 degrees of freedom, 97.5 %: three seeds of five folds.
                const double t = 2.145;
                double mean = pairs.Average();
                half = t * Math.Sqrt(pairs.Sum(p => (p - mean) * (p - mean)) / (pairs.Length - 1) / pairs.Length);
            }
            else
            {
                double a = Mean(BackboneCandidates.Auto),
                    b = Mean(id);
                half = 1.96 * Math.Sqrt((a * (1 - a) + b * (1 - b)) / runs[id][0].TestImages);
            }

            return (value, FormattableString.Invariant($"{100 * (value - half):f1} to {100 * (value + half):f1}"));
        }
    }
}
