using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>Accuracy with few images per class: each head on the same draws, all other images being the test.</summary>
internal static class FewShotExperiment
{
    private const int Draws = 20;

    public static int Run(string[] args, Experiment experiment)
    {
        ImageDataset data = OpenClipart.Read();
        var store = new BackboneStore(BackboneCatalog.Default);
        foreach (string id in args.Length > 0 ? args : [BackboneCatalog.DefaultId])
            Compare(id, OpenClipart.Features(data, store.Open(id)), experiment);
        return 0;
    }

    private static void Compare(string id, FeatureTable table, Experiment experiment)
    {
        Table results = experiment.Table(
            $"{id}: {table.Rows} images, {table.Width} features, {table.Classes} classes; accuracy ± standard "
                + $"error over {Draws} draws, log-loss in nats, seconds per fit and judgement",
            Column.Number("perClass"),
            Column.Text("head", 30),
            Column.Percent("accuracy", format: "0.00"),
            Column.Number("logLoss", "0.000"),
            Column.Number("seconds", "0.000"),
            Column.Text("chosen")
        );
        foreach (int images in (int[])[1, 2, 5, 10, 20, 40])
        {
            var chosen = new Dictionary<string, int>();
            (string Name, Func<FeatureTable, int, IHead> Fit)[] heads =
            [
                ("softmax", (train, seed) => new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = seed }).Fit(train)),
                ("nearest mean", (train, _) => new NearestMeanTrainer().Fit(train)),
                (
                    "5 neighbours, calibrated",
                    (train, seed) =>
                        new CalibratedTrainer(
                            new KNearestNeighboursTrainer(),
                            new CalibratedTrainerOptions { Seed = seed }
                        ).Fit(train)
                ),
                ("ridge", (train, _) => new RidgeTrainer().Fit(train)),
                (
                    "discriminant 0.7, calibrated",
                    (train, seed) =>
                        new CalibratedTrainer(
                            new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 }),
                            new CalibratedTrainerOptions { Seed = seed }
                        ).Fit(train)
                ),
                ("perceptron", (train, seed) => new MlpTrainer(new MlpTrainerOptions { Seed = seed }).Fit(train)),
                (
                    "auto",
                    (train, seed) =>
                    {
                        HeadSelection selection = new AutoHeadTrainer(
                            new AutoHeadTrainerOptions { Seed = seed }
                        ).Select(train);
                        chosen[selection.Name] = chosen.GetValueOrDefault(selection.Name) + 1;
                        return selection.Head;
                    }
                ),
            ];
            foreach ((string name, Func<FeatureTable, int, IHead> fit) in heads)
            {
                long started = Stopwatch.GetTimestamp();
                ClassificationReport[] reports =
                [
                    .. Enumerable.Range(0, Draws).Select(seed => Draw(table, images, seed, fit)),
                ];
                string[] choices =
                [
                    .. chosen.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Key} {c.Value}"),
                ];
                results.Add(
                    images,
                    name,
                    Figure.OfDraws([.. reports.Select(r => r.Accuracy)]),
                    reports.Average(r => r.LogLoss),
                    Stopwatch.GetElapsedTime(started).TotalSeconds / Draws,
                    name == "auto" ? string.Join(", ", choices) : null
                );
            }
        }
    }

    private static ClassificationReport Draw(
        FeatureTable table,
        int images,
        int seed,
        Func<FeatureTable, int, IHead> fit
    )
    {
        var rng = new Rng(seed);
        int[] train =
        [
            .. RowsByClass
                .Of(table.Labels)
                .SelectMany(rows =>
                {
                    rng.Shuffle<int>(rows);
                    return rows.Take(images);
                }),
        ];
        FeatureTable test = table.Select([.. Enumerable.Range(0, table.Rows).Except(train)]);
        return ClassificationReport.Of(table.ClassNames, test.Labels, fit(table.Select(train), seed).Predict(test));
    }
}
