using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// What a model says beside the class: whether it abstains, the set of classes, whether the image is unlike any it
/// knows. How often each is right on images never seen.
/// </summary>
internal static class ReliabilityExperiment
{
    private const double KnownTest = 0.2,
        Coverage = 0.9;
    private const int Heads = 20,
        Divisions = 5,
        FoldDraws = 10;
    private static readonly string[] Parts = ["sets", "abstain", "calibration", "unknown"];

    private static readonly string[] Tasks = ["clipart10", "stamps8", "things6"];

    public static int Run(string[] args, Experiment experiment)
    {
        string[] tasks = [.. args.Where(PackagedTasks.All.ContainsKey)];
        if (tasks.Length == 0)
            tasks = Tasks;
        string[] parts = [.. args.Except(tasks)];
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
        if (parts.Except(Parts).FirstOrDefault() is { } wrong)
            throw new TransferException($"'{wrong}' is no task and no part; parts are {string.Join(", ", Parts)}.");
        if (parts.Length == 0 || parts.Intersect(["sets", "abstain"]).Any())
            Promises(tasks, parts, backbone, experiment);
        if (parts.Length == 0 || parts.Contains("calibration"))
            Calibration(tasks, backbone, experiment);
        if (parts.Length == 0 || parts.Contains("unknown"))
            Unknown(tasks, backbone, experiment);
        return 0;
    }

    /// <summary>
    /// Sets and thresholds from calibration rows, judged on rows that neither they nor the head have seen.
    /// </summary>
    private static void Promises(string[] tasks, string[] parts, Backbone backbone, Experiment experiment)
    {
        Table sets = experiment.Table(
            $"{backbone.Card.Id}, default tap, automatic head: sets for {Coverage:p0}, {Heads * Divisions} divisions (a head "
                + $"on 40 % of the images, {Heads} times; the rest halved {Divisions} times), or five folds over 70 %, "
                + $"{FoldDraws} times; judged on the other 30 %; mean ± standard deviation over divisions",
            Column.Text("task", 10),
            Column.Text("by", 9),
            Column.Text("sets", 5),
            Column.Percent("coverage"),
            Column.Number("classes", "0.00"),
            Column.Percent("one class")
        );
        Table thresholds = experiment.Table(
            "Abstention on the same divisions: how often there is a threshold, the share answered and its accuracy on "
                + "images never seen, all divisions together; divisions below the target, and those whose exact 95 % "
                + "interval is",
            Column.Text("task", 10),
            Column.Text("by", 9),
            Column.Text("rule", 15),
            Column.Percent("target", format: "0"),
            Column.Percent("found", format: "0"),
            Column.Percent("answered"),
            Column.Percent("accuracy"),
            Column.Percent("below", format: "0"),
            Column.Percent("surely below", format: "0")
        );
        foreach (string task in tasks)
        {
            (FeatureTable whole, TapGroups groups, int tap) = Features(PackagedTasks.All[task](), backbone);
            FeatureTable table = groups.Columns(whole, [tap]);
            foreach (
                (string by, Division[] divisions) in new[] { ("held out", HeldOut(table)), ("folds", Folded(table)) }
            )
            {
                if (parts.Length == 0 || parts.Contains("sets"))
                    foreach (ClassSetKind kind in Enum.GetValues<ClassSetKind>())
                        Add(sets, task, by, kind, divisions, table.Classes);
                if (parts.Length == 0 || parts.Contains("abstain"))
                    foreach (double target in new[] { 0.8, 0.9, 0.95 })
                    {
                        Add(
                            thresholds,
                            task,
                            by,
                            "fixed sequence",
                            target,
                            divisions,
                            d => Abstention.Of(d.Labels, d.Said, target).Threshold
                        );
                        Add(thresholds, task, by, "halving (SGR)", target, divisions, d => Halving(d, target));
                    }
            }
        }
    }

    private static void Add(Table table, string task, string by, ClassSetKind kind, Division[] divisions, int classes)
    {
        List<double> covered = [],
            sizes = [],
            single = [];
        foreach (Division d in divisions)
        {
            ClassSets sets = ClassSets.Of(d.Labels, d.Said, classes, Coverage);
            int[][] found = [.. d.TestSaid.Chunk(classes).Select(row => sets.Of(row, kind))];
            covered.Add(found.Where((set, i) => set.Contains(d.TestLabels[i])).Count() / (double)found.Length);
            sizes.Add(found.Average(set => set.Length));
            single.Add(found.Average(set => set.Length == 1 ? 1.0 : 0));
        }

        table.Add(
            task,
            by,
            kind.ToString().ToUpperInvariant(),
            Figure.OfSample(covered),
            Figure.OfSample(sizes),
            Figure.OfSample(single)
        );
    }

    private static void Add(
        Table table,
        string task,
        string by,
        string rule,
        double target,
        Division[] divisions,
        Func<Division, double?> threshold
    )
    {
        int found = 0,
            all = 0,
            answered = 0,
            right = 0,
            below = 0,
            surely = 0;
        foreach (Division d in divisions)
        {
            all += d.TestLabels.Length;
            if (threshold(d) is not { } least)
                continue;
            found++;
            bool[] hits =
            [
                .. d
                    .TestSaid.Chunk(d.TestSaid.Length / d.TestLabels.Length)
                    .Select((row, i) => (Highest: row.Max(), Hit: row.IndexOf(row.Max()) == d.TestLabels[i]))
                    .Where(row => row.Highest >= least)
                    .Select(row => row.Hit),
            ];
            int own = hits.Count(hit => hit);
            (answered, right) = (answered + hits.Length, right + own);
            below += hits.Length > 0 && own < target * hits.Length ? 1 : 0;
            surely += hits.Length > 0 && ExactBinomial.Both(own, hits.Length).High < target ? 1 : 0;
        }

        double Share(int count) => found == 0 ? 0 : (double)count / found;
        table.Add(
            task,
            by,
            rule,
            target,
            (double)found / divisions.Length,
            (double)answered / all,
            answered == 0 ? null : (double)right / answered,
            Share(below),
            Share(surely)
        );
    }

    /// <summary>
    /// The search of Geifman and El-Yaniv, 2017: halving, each of its ⌈log₂ n⌉ tests at its share of 5 %.
    /// </summary>
    private static double? Halving(Division d, double target)
    {
        (float Highest, bool Right)[] rows =
        [
            .. d
                .Said.Chunk(d.Said.Length / d.Labels.Length)
                .Select((row, i) => (row.Max(), row.IndexOf(row.Max()) == d.Labels[i]))
                .OrderByDescending(row => row.Item1),
        ];
        int tests = (int)Math.Ceiling(Math.Log2(rows.Length)),
            low = 1,
            high = rows.Length;
        double? found = null;
        for (int test = 0; test < tests; test++)
        {
            int middle = (low + high + 1) / 2;
            int mistakes = rows.Take(middle).Count(row => !row.Right);
            bool passes = ExactBinomial.AtMost(mistakes, middle, 1 - target) <= (1 - Abstention.Confidence) / tests;
            if (passes)
                (low, found) = (middle, rows[middle - 1].Highest);
            else
                high = middle - 1;
        }

        return found;
    }

    private static Division[] HeldOut(FeatureTable table) =>
        [
            .. Enumerable
                .Range(0, Heads)
                .SelectMany(seed =>
                {
                    (int[] train, int[] rest) = Divide(table, 0.4, seed);
                    FittedHead head = Fit(table.Select(train), seed);
                    FeatureTable others = table.Select(rest);
                    float[] said = head.Predict(others);
                    return Enumerable
                        .Range(0, Divisions)
                        .Select(division =>
                        {
                            (int[] first, int[] second) = Divide(others, 0.5, Divisions * seed + division);
                            return new Division(
                                Labels(others, first),
                                Rows(said, first, table.Classes),
                                Labels(others, second),
                                Rows(said, second, table.Classes)
                            );
                        });
                }),
        ];

    private static Division[] Folded(FeatureTable table) =>
        [
            .. Enumerable
                .Range(0, FoldDraws)
                .Select(seed =>
                {
                    (int[] train, int[] test) = Divide(table, 0.7, seed);
                    FeatureTable own = table.Select(train);
                    int[] fold = StratifiedFolds.Assign(own.Labels, 5, seed, own.ClassNames);
                    var said = new float[own.Rows * own.Classes];
                    for (int f = 0; f < 5; f++)
                    {
                        int[] held = [.. Enumerable.Range(0, own.Rows).Where(i => fold[i] == f)],
                            rest = [.. Enumerable.Range(0, own.Rows).Where(i => fold[i] != f)];
                        float[] part = Fit(own.Select(rest), seed).Predict(own.Select(held));
                        for (int i = 0; i < held.Length; i++)
                            part.AsSpan(i * own.Classes, own.Classes).CopyTo(said.AsSpan(held[i] * own.Classes));
                    }

                    return new Division(
                        own.Labels,
                        said,
                        Labels(table, test),
                        Fit(own, seed).Predict(table.Select(test))
                    );
                }),
        ];

    /// <summary>How sure heads are before and after the temperature that folds of the training rows gave.</summary>
    private static void Calibration(string[] tasks, Backbone backbone, Experiment experiment)
    {
        Table results = experiment.Table(
            $"{backbone.Card.Id}, default tap: expected calibration error (15 bins) and log-loss of all images, each "
                + "predicted by one of five folds, before and after temperature scaling; 95 % intervals by bootstrap",
            Column.Text("task", 10),
            Column.Text("head", 14),
            Column.Number("ECE before", "0.000"),
            Column.Number("ECE after", "0.000"),
            Column.Number("loss before", "0.000"),
            Column.Number("loss after", "0.000")
        );
        foreach (string task in tasks)
        {
            (FeatureTable whole, TapGroups groups, int tap) = Features(PackagedTasks.All[task](), backbone);
            FeatureTable table = groups.Columns(whole, [tap]);
            int[] fold = StratifiedFolds.Assign(table.Labels, 5, 1, table.ClassNames);
            foreach (HeadKind kind in new[] { HeadKind.Auto, HeadKind.Softmax, HeadKind.Discriminant })
            {
                float[] after = new float[table.Rows * table.Classes],
                    before = new float[after.Length];
                for (int f = 0; f < 5; f++)
                {
                    int[] held = [.. Enumerable.Range(0, table.Rows).Where(i => fold[i] == f)],
                        rest = [.. Enumerable.Range(0, table.Rows).Where(i => fold[i] != f)];
                    FittedHead head = Fit(table.Select(rest), 1, kind);
                    float[] said = head.Predict(table.Select(held)),
                        raw = head.WithoutCalibration(said);
                    for (int i = 0; i < held.Length; i++)
                    for (int c = 0; c < table.Classes; c++)
                    {
                        after[held[i] * table.Classes + c] = said[i * table.Classes + c];
                        before[held[i] * table.Classes + c] = raw[i * table.Classes + c];
                    }
                }

                ClassificationMetrics first = ClassificationReport.Of(table.ClassNames, table.Labels, before).Metrics,
                    second = ClassificationReport.Of(table.ClassNames, table.Labels, after).Metrics;
                results.Add(
                    task,
                    kind.Label,
                    Shown(first.CalibrationError),
                    Shown(second.CalibrationError),
                    Shown(first.LogLoss),
                    Shown(second.LogLoss)
                );
            }
        }
    }

    private static Figure Shown(Estimate estimate) =>
        new(estimate.Value) { Interval = new Interval(estimate.Low, estimate.High) };

    private static FittedHead Fit(FeatureTable train, int seed, HeadKind? kind = null) =>
        new HeadFitter(
            new HeadRecipeOptions { Head = kind ?? HeadKind.Auto, Seed = seed },
            new TapGroups(["features"], [train.Width])
        ).Fit(train, null, CancellationToken.None);

    /// <summary>A stratified share of the rows, and the others.</summary>
    private static (int[] First, int[] Second) Divide(FeatureTable table, double share, int seed)
    {
        var rng = new Rng(1000 + seed);
        List<int> first = [],
            second = [];
        foreach (int[] rows in RowsByClass.Of(table.Labels))
        {
            rng.Shuffle<int>(rows);
            int count = (int)Math.Round(share * rows.Length);
            first.AddRange(rows[..count]);
            second.AddRange(rows[count..]);
        }

        return ([.. first], [.. second]);
    }

    private static int[] Labels(FeatureTable table, int[] rows) => [.. rows.Select(i => table.Labels[i])];

    private static float[] Rows(float[] said, int[] rows, int classes) =>
        [.. rows.SelectMany(i => said.AsSpan(i * classes, classes).ToArray())];

    /// <summary>Probabilities of rows that set the thresholds, and of rows that judge them.</summary>
    private sealed record Division(int[] Labels, float[] Said, int[] TestLabels, float[] TestSaid);

    private static void Unknown(string[] tasks, Backbone backbone, Experiment experiment)
    {
        Table results = experiment.Table(
            $"{backbone.Card.Id}: each class left out in turn; AUROC of its images against a fifth of the images of the "
                + "other classes, unseen too; mean and least over classes",
            Column.Text("task", 10),
            Column.Text("features", 12),
            Column.Text("score", 24),
            Column.Percent("AUROC", format: "0.0"),
            Column.Percent("least", format: "0.0")
        );
        foreach (string task in tasks)
        {
            (FeatureTable whole, TapGroups groups, int tap) = Features(PackagedTasks.All[task](), backbone);
            foreach (
                (string name, FeatureTable table) in new[]
                {
                    ("default tap", groups.Columns(whole, [tap])),
                    ("last three", groups.Columns(whole, HeadFitter.LastTaps(groups))),
                }
            )
            {
                var found = new Dictionary<string, List<double>>();
                for (int left = 0; left < table.Classes; left++)
                {
                    (FeatureTable train, FeatureTable known, FeatureTable unknown) = LeftOut(table, left);
                    foreach ((string score, Func<FeatureTable, double[]> of) in Scores(train))
                    {
                        if (!found.TryGetValue(score, out List<double>? areas))
                            found[score] = areas = [];
                        areas.Add(Area(of(known), of(unknown)));
                    }
                }

                foreach ((string score, List<double> areas) in found)
                    results.Add(task, name, score, Figure.OfDraws(areas), areas.Min());
            }
        }
    }

    private static IEnumerable<(string, Func<FeatureTable, double[]>)> Scores(FeatureTable train)
    {
        FittedHead head = new HeadFitter(new HeadRecipeOptions(), new TapGroups(["features"], [train.Width])).Fit(
            train,
            null,
            CancellationToken.None
        );
        double[] Rows(FeatureTable rows, Func<float[], double> of)
        {
            float[] logits = new float[rows.Rows * train.Classes];
            head.Head.Logits(rows.Values, logits);
            return [.. logits.Chunk(train.Classes).Select(of)];
        }

        yield return (
            "highest probability",
            rows => [.. head.Predict(rows).Chunk(train.Classes).Select(p => 1.0 - p.Max())]
        );
        yield return (
            "energy",
            rows => Rows(rows, z => -Math.Log(z.Sum(value => Math.Exp(value - z.Max()))) - z.Max())
        );
        foreach ((string name, Func<FeatureTable, double[]> score) in UnknownCandidates.Of(train))
            yield return (name, score);
    }

    /// <summary>Training rows of the other classes, a fifth of them held out, and the rows of the class.</summary>
    private static (FeatureTable Train, FeatureTable Known, FeatureTable Unknown) LeftOut(FeatureTable table, int left)
    {
        int[] others = [.. Enumerable.Range(0, table.Rows).Where(i => table.Labels[i] != left)];
        string[] names = [.. table.ClassNames.Where((_, c) => c != left)];
        FeatureTable Renamed(IEnumerable<int> rows)
        {
            FeatureTable part = table.Select([.. rows]);
            return new FeatureTable(
                names,
                [
                    .. part.Labels.Select(label =>
                        label == left ? 0
                        : label > left ? label - 1
                        : label
                    ),
                ],
                part.Values,
                part.Width
            );
        }

        FeatureTable known = Renamed(others);
        int[] fold = StratifiedFolds.Assign(known.Labels, (int)Math.Round(1 / KnownTest), left, names);
        return (
            known.Select([.. Enumerable.Range(0, known.Rows).Where(i => fold[i] != 0)]),
            known.Select([.. Enumerable.Range(0, known.Rows).Where(i => fold[i] == 0)]),
            Renamed(Enumerable.Range(0, table.Rows).Where(i => table.Labels[i] == left))
        );
    }

    /// <summary>Probability that an unknown row scores above a known one, ties by half.</summary>
    private static double Area(double[] known, double[] unknown) =>
        unknown.Average(u =>
            known.Average(k =>
                u > k ? 1.0
                : u == k ? 0.5
                : 0
            )
        );

    private static (FeatureTable Table, TapGroups Groups, int DefaultTap) Features(Dataset data, Backbone backbone)
    {
        BackboneTap[] taps = [.. backbone.Card.Taps];
        using var extractor = new FeatureExtractor(backbone, [.. taps.Select(tap => tap.Name)]);
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        var table = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        return (table, extractor.Groups, Array.FindIndex(taps, tap => tap.Name == backbone.Card.DefaultTap));
    }
}
