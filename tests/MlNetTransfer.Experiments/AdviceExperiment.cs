using System.Diagnostics;
using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Estimates of transferability, by the training images alone, beside the accuracy of a head on others, over all
/// backbones and taps: how well each orders them (weighted Kendall tau) and what following it costs; beside two plain
/// rivals, the default backbone and 5-fold cross-validation of the head.
/// </summary>
internal static class AdviceExperiment
{
    private const int Draws = 3;
    private const string Default = "the default",
        Folds = "5 folds";
    private static readonly int[] Sizes = [5, 20, int.MaxValue];

    private static readonly (string Name, Func<FeatureTable, double> Of)[] Estimates =
    [
        ("LogME", table => Transferability.LogMe(table, 2)),
        ("H-score", table => Transferability.HScore(table, 2)),
        ("1-NN", table => Transferability.NearestNeighbour(table, 2)),
        (Folds, CrossValidated),
    ];

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string[] tasks = [.. args.Where(AdviceTasks.All.ContainsKey)],
            ids = [.. args.Except(tasks)];
        if (ids.Length == 0)
            ids = [.. BackboneCatalog.Default.OfImagesHere.Select(card => card.Id)];
        Table table = experiment.Table(
            $"{string.Join(", ", ids)}: mean of {Draws} draws; tau over all taps, points behind the best backbone and tap, "
                + "worst draw, seconds for all taps",
            Column.Text("task", 10),
            Column.Text("per class", 9),
            Column.Number("taps"),
            Column.Percent("best", 6),
            Column.Text("way", 12),
            Column.Number("tau", "0.00", 5),
            Column.Number("regret", "0.0", 6),
            Column.Number("worst", "0.0", 6),
            Column.Number("seconds", "0.00", 7)
        );
        Dictionary<(string, int), List<Outcome>> all = [];
        foreach (string task in tasks.Length > 0 ? tasks : [.. AdviceTasks.All.Keys])
        {
            Candidate[] candidates = [.. Candidates(AdviceTasks.All[task](work), ids)];
            foreach (int size in Sizes)
            {
                Outcome[] outcomes = [.. Enumerable.Range(1, Draws).SelectMany(seed => Draw(candidates, size, seed))];
                foreach (IGrouping<string, Outcome> way in outcomes.GroupBy(o => o.Way))
                {
                    Add(table, task, size, candidates.Length, way.Key, [.. way]);
                    if (!all.TryGetValue((way.Key, size), out List<Outcome>? list))
                        all[(way.Key, size)] = list = [];
                    list.AddRange(way);
                }
            }
        }

        foreach (((string way, int size), List<Outcome> outcomes) in all.OrderBy(e => e.Key.Item2))
            Add(table, "all", size, 0, way, outcomes);
        return 0;
    }

    private static void Add(
        Table table,
        string task,
        int size,
        int taps,
        string way,
        IReadOnlyList<Outcome> outcomes
    ) =>
        table.Add(
            task,
            size == int.MaxValue ? "all" : $"{size}",
            taps,
            outcomes.Average(o => o.Best),
            way,
            outcomes.Average(o => o.Tau),
            100 * outcomes.Average(o => o.Regret),
            100 * outcomes.Max(o => o.Regret),
            outcomes.Average(o => o.Seconds)
        );

    private static IEnumerable<Candidate> Candidates(Dataset data, string[] ids)
    {
        foreach (string id in ids)
        {
            Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(id);
            using var extractor = new FeatureExtractor(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)]);
            ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
            var whole = new FeatureTable(
                data.ClassNames,
                [.. rows.Accepted.Select(i => data.Items[i].Label)],
                rows.Values,
                rows.Width
            );
            foreach ((string tap, int place) in extractor.Groups.Names.Select((tap, place) => (tap, place)))
                yield return new Candidate(
                    id == BackboneCatalog.DefaultId && tap == backbone.Card.DefaultTap,
                    extractor.Groups.Columns(whole, [place])
                );
        }
    }

    /// <summary>A third of each class judges; of the rest, some are trained on.</summary>
    private static IEnumerable<Outcome> Draw(Candidate[] candidates, int size, int seed)
    {
        FeatureTable first = candidates[0].Table;
        var rng = new Rng(seed);
        List<int> train = [],
            test = [];
        foreach (IGrouping<int, int> own in Enumerable.Range(0, first.Rows).GroupBy(row => first.Labels[row]))
        {
            int[] rows = [.. own];
            rng.Shuffle<int>(rows);
            test.AddRange(rows.Take(rows.Length / 3));
            train.AddRange(rows.Skip(rows.Length / 3).Take(Math.Min(size, 60)));
        }

        FeatureTable[] drawn = [.. candidates.Select(own => own.Table.Select(train))];
        double[] truth = [.. candidates.Select((own, i) => Accuracy(drawn[i], own.Table.Select(test)))];
        double best = truth.Max();
        foreach ((string name, Func<FeatureTable, double> of) in Estimates)
        {
            long started = Stopwatch.GetTimestamp();
            double[] found = [.. drawn.Select(of)];
            yield return new Outcome(
                name,
                best,
                WeightedTau.Of(truth, found),
                best - truth[Array.IndexOf(found, found.Max())],
                Stopwatch.GetElapsedTime(started).TotalSeconds
            );
        }

        if (Array.FindIndex(candidates, own => own.IsDefault) is >= 0 and var at)
            yield return new Outcome(Default, best, double.NaN, best - truth[at], 0);
    }

    private static LinearDiscriminantTrainer Trainer { get; } =
        new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Rule = ShrinkageRule.LeaveOneOut });

    private static double Accuracy(FeatureTable train, FeatureTable test) =>
        ClassificationReport.Of(test.ClassNames, test.Labels, Trainer.Fit(train).Predict(test)).Accuracy;

    private static double CrossValidated(FeatureTable table)
    {
        OutOfFoldPredictions found = CrossValidation.OutOfFold(
            Trainer,
            table,
            CrossValidation.Folds(table.Labels, 5, 1, table.ClassNames)
        );
        return JudgedRows.Right(found.Labels, found.Logits, found.Classes).Average(hit => hit ? 1.0 : 0);
    }

    private sealed record Candidate(bool IsDefault, FeatureTable Table);

    private sealed record Outcome(string Way, double Best, double Tau, double Regret, double Seconds);
}

/// <summary>
/// Kendall's tau with hyperbolic weights, by which mistakes among the best count most: scipy's weightedtau (Vigna, A
/// weighted correlation index for rankings with ties, 2015).
/// </summary>
internal static class WeightedTau
{
    public static double Of(double[] x, double[] y) => (By(x, y, x, y) + By(x, y, y, x)) / 2;

    /// <summary>With the ranks that decreasing <paramref name="first"/> gives, ties broken by the second.</summary>
    private static double By(double[] x, double[] y, double[] first, double[] second)
    {
        int n = x.Length;
        int[] order = [.. Enumerable.Range(0, n).OrderByDescending(i => first[i]).ThenByDescending(i => second[i])];
        var rank = new int[n];
        for (int i = 0; i < n; i++)
            rank[order[i]] = i;
        double both = 0,
            ofX = 0,
            ofY = 0;
        for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
        {
            double weight = 1.0 / (rank[i] + 1) + 1.0 / (rank[j] + 1);
            int a = Math.Sign(x[i] - x[j]),
                b = Math.Sign(y[i] - y[j]);
            both += weight * a * b;
            ofX += weight * a * a;
            ofY += weight * b * b;
        }

        return ofX == 0 || ofY == 0 ? 0 : both / Math.Sqrt(ofX * ofY);
    }
}
