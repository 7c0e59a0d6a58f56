using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// A few images with labels, many without, and others to judge by: the head of 'train' on the labelled ones, each way
/// to use the others, and the choice by cross-validation.
/// </summary>
internal static class SelfTrainingExperiment
{
    private const int MostUnlabelled = 1000,
        MostJudged = 1000;
    private const string Fashion = "fashion",
        Foreign = "foreign",
        Draws = "draws=";
    private static readonly int[] PerClass = [4, 10, 25];

    public static int Run(string[] args, Experiment experiment)
    {
        int draws = int.Parse(
            args.FirstOrDefault(a => a.StartsWith(Draws, StringComparison.Ordinal))?[Draws.Length..] ?? "6",
            CultureInfo.InvariantCulture
        );
        string[] known = [.. PackagedTasks.All.Keys, Fashion],
            tasks = [.. args.Intersect(known)],
            ids = [.. args.Except(known).Where(a => a != Foreign && !a.StartsWith(Draws, StringComparison.Ordinal))];
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(
            ids.Length > 0 ? ids[0] : BackboneCatalog.DefaultId
        );
        using var extractor = new FeatureExtractor(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)]);
        FeatureTable? others = args.Contains(Foreign) ? Features("animals3", extractor) : null;
        foreach (string task in tasks.Length > 0 ? tasks : ["clipart10", "stamps8", Fashion])
            Compare(task, Features(task, extractor), others, draws, backbone, extractor.Groups, experiment);
        return 0;
    }

    private static FeatureTable Features(string task, FeatureExtractor extractor)
    {
        using Scratch scratch = new();
        if (task == Fashion)
            FashionMnist.Write(scratch.Path, 4000, 10);
        Dataset data =
            task == Fashion ? DatasetReader.Read(Path.Combine(scratch.Path, "train")) : PackagedTasks.All[task]();
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        return new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
    }

    private static void Compare(
        string task,
        FeatureTable all,
        FeatureTable? others,
        int draws,
        Backbone backbone,
        TapGroups groups,
        Experiment experiment
    )
    {
        Table table = experiment.Table(
            $"{backbone.Card.Id} on {task}{(others is null ? "" : ", half of the unlabelled images of no class")}: "
                + $"accuracy on images never seen, mean of {draws} draws ± its standard error; gains over the head of "
                + "'train' on the labelled images alone, in points; least: the worst draw of the choice",
            [
                Column.Number("perClass"),
                Column.Number("unlabelled"),
                Column.Percent("alone"),
                .. PseudoLabelMethod.All.Select(m => Column.Percent("+ " + m.Label)),
                Column.Percent("+ choice"),
                Column.Percent("least", 6),
                Column.Percent("taken", 6),
                Column.Percent("+ labelled"),
                Column.Number("seconds", "0.0"),
            ]
        );
        foreach (int images in PerClass)
        {
            Draw[] found =
            [
                .. Enumerable.Range(1, draws).Select(seed => Try(all, others, images, seed, backbone, groups)),
            ];
            table.Add([
                images,
                found[0].Unlabelled,
                Figure.OfDraws([.. found.Select(d => d.Alone)]),
                .. PseudoLabelMethod.All.Select(m =>
                    (object?)Figure.OfDraws([.. found.Select(d => d.Ways[m.Label] - d.Alone)])
                ),
                Figure.OfDraws([.. found.Select(d => d.Choice - d.Alone)]),
                found.Min(d => d.Choice - d.Alone),
                found.Average(d => d.IsTaken ? 1.0 : 0),
                Figure.OfDraws([.. found.Select(d => d.Labelled - d.Alone)]),
                found.Average(d => d.Seconds),
            ]);
        }
    }

    private static Draw Try(
        FeatureTable all,
        FeatureTable? others,
        int images,
        int seed,
        Backbone backbone,
        TapGroups groups
    )
    {
        var rng = new Rng(seed);
        int[] few =
        [
            .. RowsByClass
                .Of(all.Labels)
                .SelectMany(rows =>
                {
                    rng.Shuffle<int>(rows);
                    return rows.Take(images);
                }),
        ];
        int[] rest = [.. Enumerable.Range(0, all.Rows).Except(few)];
        rng.Shuffle<int>(rest);
        int[] without = rest[..Math.Min(MostUnlabelled, rest.Length / 2)];
        FeatureTable train = all.Select(few),
            test = all.Select(rest[(rest.Length / 2)..Math.Min(rest.Length, rest.Length / 2 + MostJudged)]),
            unlabelled = all.Select(without);
        if (others is not null)
            unlabelled = Mixed(unlabelled, others, rng);
        var options = new HeadRecipeOptions { Seed = seed };
        FittedHead alone = Fit(train);
        long started = Stopwatch.GetTimestamp();
        FittedHead choice = With(null);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        PseudoLabelMethod? taken = choice.SelfTraining!.Method;
        return new Draw(
            unlabelled.Rows,
            Right(alone),
            PseudoLabelMethod.All.ToDictionary(m => m.Label, m => Right(m == taken ? choice : With(m))),
            Right(choice),
            taken is not null,
            Right(Fit(all.Select([.. few, .. without]))),
            seconds
        );

        FittedHead Fit(FeatureTable rows) =>
            new HeadFitter(options, groups, backbone.Card.DefaultTap).Fit(rows, null, CancellationToken.None);

        FittedHead With(PseudoLabelMethod? method) =>
            new SelfTraining(unlabelled, method, options, groups).Fit(alone, train, null, CancellationToken.None);

        double Right(FittedHead head)
        {
            float[] said = head.Predict(test);
            int classes = test.Classes;
            return Enumerable
                .Range(0, test.Rows)
                .Average(row =>
                {
                    ReadOnlySpan<float> own = said.AsSpan(row * classes, classes);
                    int best = 0;
                    for (int c = 1; c < classes; c++)
                        if (own[c] > own[best])
                            best = c;
                    return best == test.Labels[row] ? 1.0 : 0;
                });
        }
    }

    /// <summary>The first half of the rows, and as many others.</summary>
    private static FeatureTable Mixed(FeatureTable rows, FeatureTable others, Rng rng)
    {
        int half = Math.Min(rows.Rows / 2, others.Rows);
        int[] drawn = [.. Enumerable.Range(0, others.Rows)];
        rng.Shuffle<int>(drawn);
        FeatureTable own = rows.Select([.. Enumerable.Range(0, half)]),
            foreign = others.Select(drawn[..half]);
        FeatureTable both = new(rows.ClassNames, new int[2 * half], [.. own.Values, .. foreign.Values], rows.Width);
        int[] order = [.. Enumerable.Range(0, both.Rows)];
        rng.Shuffle<int>(order);
        return both.Select(order);
    }

    private sealed record Draw(
        int Unlabelled,
        double Alone,
        IReadOnlyDictionary<string, double> Ways,
        double Choice,
        bool IsTaken,
        double Labelled,
        double Seconds
    );
}
