using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Fashion-MNIST with three classes only described, and seven with images: how often what is described is known, beside
/// what classes held out whole said of it, and beside a few images of those classes.
/// </summary>
internal static class ZeroShotExperiment
{
    private const int Draws = 20,
        Described = 3,
        PerClass = 120,
        Judged = 60,
        Few = 5;

    private static readonly string[] Names =
    [
        "torso",
        "legs",
        "feet",
        "sleeves",
        "open front",
        "shaft",
        "straps",
        "length",
        "collar",
        "soft",
        "sole",
        "handle",
    ];

    /// <summary>What the classes are like, in our own words.</summary>
    private static readonly Dictionary<string, double[]> Kinds = new()
    {
        ["Ankle boot"] = [0, 0, 1, 0, 0, 1, 0, 0.3, 0, 0.2, 1, 0],
        ["Bag"] = [0, 0, 0, 0, 0, 0, 0.3, 0.4, 0, 0.4, 0, 1],
        ["Coat"] = [1, 0, 0, 1, 1, 0, 0, 0.8, 1, 0.8, 0, 0],
        ["Dress"] = [1, 0.6, 0, 0.3, 0, 0, 0.2, 1, 0.2, 1, 0, 0],
        ["Pullover"] = [1, 0, 0, 1, 0, 0, 0, 0.6, 0.1, 1, 0, 0],
        ["Sandal"] = [0, 0, 1, 0, 0, 0.1, 1, 0.2, 0, 0.1, 1, 0],
        ["Shirt"] = [1, 0, 0, 0.7, 1, 0, 0, 0.6, 1, 1, 0, 0],
        ["Sneaker"] = [0, 0, 1, 0, 0, 0.2, 0, 0.2, 0, 0.4, 1, 0],
        ["T-shirt"] = [1, 0, 0, 0.3, 0, 0, 0, 0.5, 0, 1, 0, 0],
        ["Trouser"] = [0, 1, 0, 0, 0.2, 0, 0, 1, 0, 0.9, 0, 0],
    };

    public static int Run(string[] args, Experiment experiment)
    {
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(
            args.Length > 0 ? args[0] : BackboneCatalog.DefaultId
        );
        using var extractor = new FeatureExtractor(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)]);
        using Scratch scratch = new();
        FashionMnist.Write(scratch.Path, 4000, 10);
        Dataset data = DatasetReader.Read(Path.Combine(scratch.Path, "train"));
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        FeatureTable all = extractor.Groups.Columns(
            new FeatureTable(
                data.ClassNames,
                [.. rows.Accepted.Select(i => data.Items[i].Label)],
                rows.Values,
                rows.Width
            ),
            HeadFitter.LastTaps(extractor.Groups)
        );
        var attributes = new ClassAttributes(
            "kinds",
            data.ClassNames,
            Names,
            [.. data.ClassNames.Select(name => Kinds[name])]
        );
        Table table = experiment.Table(
            $"{backbone.Card.Id} on Fashion-MNIST: {Described} classes described, the others with {PerClass} images; "
                + $"mean of {Draws} draws ± its standard error, on {Judged} other images a class; foreseen: by classes "
                + $"held out whole; {Few} images: a kernel head with as many images of the described "
                + "classes, and the same with balanced class weights",
            Column.Text("", 14),
            Column.Percent("among themselves"),
            Column.Percent("described"),
            Column.Percent("others"),
            Column.Percent("harmonic mean")
        );
        Outcome[][] found = [.. Enumerable.Range(1, Draws).Select(seed => Try(all, attributes, seed))];
        foreach (
            (string name, int i) in ((string, int)[])
                [("described", 0), ("foreseen", 1), ($"{Few} images", 2), ("balanced", 3)]
        )
            table.Add(
                name,
                Of(i, o => o.AmongThemselves),
                Of(i, o => o.Described),
                Of(i, o => o.Others),
                Of(i, o => o.HarmonicMean)
            );
        return 0;

        Figure Of(int way, Func<Outcome, double> figure) =>
            Figure.OfDraws([.. found.Select(outcomes => figure(outcomes[way]))]);
    }

    private static Outcome[] Try(FeatureTable all, ClassAttributes attributes, int seed)
    {
        var rng = new Rng(seed);
        int[] order = [.. Enumerable.Range(0, all.Classes)];
        rng.Shuffle<int>(order);
        int[] described = [.. order.Take(Described).Order()],
            seen = [.. order.Skip(Described).Order()];
        int[][] byClass = RowsByClass.Of(all.Labels);
        foreach (int[] own in byClass)
            rng.Shuffle<int>(own);
        FeatureTable test = all.Select([.. byClass.SelectMany(own => own.Skip(PerClass).Take(Judged))]);
        ZeroShotFit fit = new ZeroShotTrainer(attributes, new ZeroShotTrainerOptions { Seed = seed }).Fit(
            Only(all, seen, [.. seen.SelectMany(c => byClass[c].Take(PerClass))])
        );
        FeatureTable withFew = all.Select([
            .. Enumerable
                .Range(0, all.Classes)
                .SelectMany(c => byClass[c].Take(described.Contains(c) ? Few : PerClass)),
        ]);
        IHead few = new KernelRidgeTrainer().Fit(withFew),
            balanced = new KernelRidgeTrainer(
                new KernelRidgeTrainerOptions { ClassWeights = ClassWeights.Balanced }
            ).Fit(withFew);
        ZeroShotJudgement foreseen = fit.Judgement;
        return
        [
            Outcome.Of(fit.Head, test, described),
            new Outcome(foreseen.AmongThemselves, foreseen.Without, foreseen.With),
            Outcome.Of(few, test, described),
            Outcome.Of(balanced, test, described),
        ];
    }

    private static FeatureTable Only(FeatureTable all, int[] classes, int[] rows)
    {
        FeatureTable some = all.Select(rows);
        return new FeatureTable(
            [.. classes.Select(c => all.ClassNames[c])],
            [.. some.Labels.Select(label => Array.IndexOf(classes, label))],
            some.Values,
            some.Width
        );
    }

    private sealed record Outcome(double AmongThemselves, double Described, double Others)
    {
        public double HarmonicMean => Described + Others == 0 ? 0 : 2 * Described * Others / (Described + Others);

        public static Outcome Of(IHead head, FeatureTable test, int[] described)
        {
            float[] said = head.Predict(test);
            bool Right(int row, IEnumerable<int> among) =>
                among.MaxBy(c => said[row * test.Classes + c]) == test.Labels[row];
            ILookup<bool, int> rows = Enumerable
                .Range(0, test.Rows)
                .ToLookup(row => described.Contains(test.Labels[row]));
            int[] every = [.. Enumerable.Range(0, test.Classes)];
            return new Outcome(
                rows[true].Average(row => Right(row, described) ? 1.0 : 0),
                rows[true].Average(row => Right(row, every) ? 1.0 : 0),
                rows[false].Average(row => Right(row, every) ? 1.0 : 0)
            );
        }
    }
}
