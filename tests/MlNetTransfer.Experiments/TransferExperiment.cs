using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Is the transfer real? Five-fold accuracy of the same head on pretrained features, on the same backbone with random
/// weights, and on raw pixels.
/// </summary>
internal static class TransferExperiment
{
    internal const int Folds = 5,
        Seed = 1;

    public static int Run(string[] args, Experiment experiment)
    {
        Dataset data = OpenClipart.Read();
        var store = new BackboneStore(BackboneCatalog.Default);
        Table table = experiment.Table(
            $"{data.Items.Count} images, {data.ClassNames.Count} classes, {Folds} folds, seed {Seed}; softmax head, "
                + $"L2 by cross-validation inside each fold; accuracy ± standard deviation of the folds",
            Column.Text("features", 60),
            Column.Percent("accuracy"),
            Column.Number("images"),
            Column.Number("width")
        );
        foreach (string id in args.Length > 0 ? args : [BackboneCatalog.DefaultId])
        {
            Backbone backbone = store.Open(id);
            BackboneCard card = backbone.Card;
            string tensor = card.Tap().Tensor;
            Report(
                table,
                $"{id} at {card.DefaultTap}, pretrained",
                Features(data, FeatureGraph.Build(backbone.LoadModel(), tensor).ToBytes(), card.Preprocessing!)
            );
            for (int seed = 1; seed <= 3; seed++)
                Report(
                    table,
                    $"{id} at {card.DefaultTap}, random weights (seed {seed})",
                    Features(
                        data,
                        FeatureGraph.Build(RandomWeights.Draw(backbone.LoadModel(), seed), tensor).ToBytes(),
                        card.Preprocessing!
                    )
                );
        }

        Report(table, "raw pixels, 32 x 32", Pixels(data));
        return 0;
    }

    /// <summary>Features of all images that can be used.</summary>
    internal static FeatureTable Features(Dataset data, byte[] onnx, Preprocessing preprocessing)
    {
        using var graph = new ItemGraph(onnx, FeatureGraph.Output, preprocessing);
        ItemRows rows = new ItemRunner(graph).Run(data.Items, "features");
        return new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
    }

    private static FeatureTable Pixels(Dataset data)
    {
        var preprocessing = new Preprocessing { Size = 32 };
        using var images = new ImagePreprocessor(preprocessing);
        using var reader = new ItemReader();
        var labels = new List<int>();
        var values = new List<float>();
        var row = new float[preprocessing.TensorLength];
        foreach (DataItem item in data.Items)
        {
            try
            {
                images.Process(reader.Read(item), row);
                values.AddRange(row);
                labels.Add(item.Label);
            }
            catch (ImageRejectedException)
            {
                // The same images are rejected for every row of the table; the number of images in the table
                // says how many are left.
            }
        }

        return new FeatureTable(data.ClassNames, [.. labels], [.. values], row.Length);
    }

    private static void Report(Table results, string name, FeatureTable table)
    {
        results.Add(name, Figure.OfSample(Accuracies(table)), table.Rows, table.Width);
    }

    /// <summary>Accuracy of a softmax head in each of the folds.</summary>
    internal static double[] Accuracies(FeatureTable table)
    {
        int[] fold = StratifiedFolds.Assign(table.Labels, Folds, Seed);
        int[] rows = [.. Enumerable.Range(0, table.Rows)];
        return
        [
            .. Enumerable
                .Range(0, Folds)
                .Select(f =>
                {
                    FeatureTable train = table.Select([.. rows.Where(r => fold[r] != f)]),
                        test = table.Select([.. rows.Where(r => fold[r] == f)]);
                    SoftmaxHead head = new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = Seed }).Fit(train);
                    return ClassificationReport.Of(table.ClassNames, test.Labels, head.Predict(test)).Accuracy;
                }),
        ];
    }
}
