using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Classes of very different size: the largest has ten times the training images of the smallest. What class weights and
/// thresholds do to accuracy, balanced accuracy and macro F1, on test images drawn in the same proportions.
/// </summary>
internal static class ImbalanceExperiment
{
    private const int Draws = 20,
        Most = 40;
    private const double Least = 0.1;

    private static readonly (string Name, ClassWeights Weights, ClassThresholds Thresholds)[] Ways =
    [
        ("as they are", ClassWeights.None, ClassThresholds.None),
        ("class weights", ClassWeights.Balanced, ClassThresholds.None),
        ("thresholds", ClassWeights.None, ClassThresholds.MacroF1),
        ("both", ClassWeights.Balanced, ClassThresholds.MacroF1),
    ];

    public static int Run(string[] args, Experiment experiment)
    {
        Table results = experiment.Table(
            $"{BackboneCatalog.DefaultId}, default tap, automatic head; classes of {Most} down to {Least * Most} training "
                + $"images, as many to test; mean ± standard error over {Draws} draws; gain in macro F1 paired by draw",
            Column.Text("task", 10),
            Column.Text("way", 16),
            Column.Percent("accuracy"),
            Column.Percent("balanced"),
            Column.Percent("macro F1"),
            Column.Percent("gain", format: "0.00"),
            Column.Percent("rarest found")
        );
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
        foreach (string task in args.Length > 0 ? args : [.. PackagedTasks.All.Keys])
        {
            FeatureTable table = OpenClipart.Features(PackagedTasks.All[task](), backbone);
            (int[] Train, int[] Test)[] draws = [.. Enumerable.Range(0, Draws).Select(seed => Draw(table, seed))];
            double[] plain = [];
            foreach ((string name, ClassWeights weights, ClassThresholds thresholds) in Ways)
            {
                ClassificationReport[] reports =
                [
                    .. draws.Select(
                        (draw, seed) =>
                        {
                            var options = new HeadRecipeOptions
                            {
                                ClassWeights = weights,
                                Thresholds = thresholds,
                                Seed = seed,
                            };
                            FeatureTable test = table.Select(draw.Test);
                            FittedHead head = new HeadFitter(options, new TapGroups(["features"], [table.Width])).Fit(
                                table.Select(draw.Train),
                                null,
                                CancellationToken.None
                            );
                            return ClassificationReport.Of(table.ClassNames, test.Labels, head.Predict(test));
                        }
                    ),
                ];
                double[] f1 = [.. reports.Select(r => r.MacroF1)];
                plain = plain.Length == 0 ? f1 : plain;
                results.Add(
                    task,
                    name,
                    Figure.OfDraws([.. reports.Select(r => r.Accuracy)]),
                    Figure.OfDraws([.. reports.Select(r => r.PerClass.Average(c => c.Recall))]),
                    Figure.OfDraws(f1),
                    Figure.OfDraws([.. f1.Zip(plain, (own, other) => own - other)]),
                    Figure.OfDraws([.. reports.Select((r, i) => r.PerClass[Rarest(table, i)].Recall)])
                );
            }
        }

        return 0;
    }

    // The classes stand in another order of size in each draw.
    private static int Rarest(FeatureTable table, int seed) => (table.Classes - 1 + seed) % table.Classes;

    private static (int[] Train, int[] Test) Draw(FeatureTable table, int seed)
    {
        var rng = new Rng(seed);
        List<int> train = [],
            test = [];
        int[][] members = RowsByClass.Of(table.Labels);
        for (int c = 0; c < members.Length; c++)
        {
            rng.Shuffle<int>(members[c]);
            int rank = (c - seed % table.Classes + table.Classes) % table.Classes,
                count = Math.Min(
                    members[c].Length / 2,
                    (int)Math.Round(Most * Math.Pow(Least, (double)rank / (table.Classes - 1)))
                );
            train.AddRange(members[c][..count]);
            test.AddRange(members[c][count..(2 * count)]);
        }

        return ([.. train], [.. test]);
    }
}
