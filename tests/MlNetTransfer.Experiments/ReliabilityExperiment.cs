using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// What a model says beside the class: whether it abstains, the set of classes, whether the image is unlike any it
/// knows. How often each is right on images never seen.
/// </summary>
internal static class ReliabilityExperiment
{
    private const double KnownTest = 0.2;

    private static readonly string[] Tasks = ["clipart10", "stamps8", "things6"];

    public static int Run(string[] args, Experiment experiment)
    {
        string[] tasks = [.. args.Where(PackagedTasks.All.ContainsKey)];
        if (tasks.Length == 0)
            tasks = Tasks;
        string[] parts = [.. args.Except(tasks)];
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
        if (parts.Length == 0 || parts.Contains("unknown"))
            Unknown(tasks, backbone, experiment);
        return 0;
    }

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

    private static (FeatureTable Table, TapGroups Groups, int DefaultTap) Features(ImageDataset data, Backbone backbone)
    {
        BackboneTap[] taps = [.. backbone.Card.Taps];
        using var extractor = new FeatureExtractor(backbone, [.. taps.Select(tap => tap.Name)]);
        ImageRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        var table = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        return (table, extractor.Groups, Array.FindIndex(taps, tap => tap.Name == backbone.Card.DefaultTap));
    }
}
