using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Do mirror images help a frozen network, and does adapting its batch normalisation? A softmax head on the features of
/// the image, on their mean with those of the mirror image (<c>--tta flip</c>), on those of the image with the mirror
/// images as further training rows, and on those of the network with statistics of the task's own images; then training
/// runs with all defaults, with and without <c>--tta flip</c>. Five folds, three seeds, paired with the plain features.
/// </summary>
internal static class FlipExperiment
{
    private const int Folds = 5,
        Seeds = 3;
    private const string Plain = "plain",
        Defaults = "defaults";

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        Dictionary<string, Func<Dataset>> tasks = new(PackagedTasks.All)
        {
            ["fashion"] = () =>
            {
                FashionMnist.Write(work.File("fashion"), 2000, 0);
                return DatasetReader.Read(work.File("fashion/train"), new DatasetOptions());
            },
        };
        string[] asked = [.. args.Where(tasks.ContainsKey)],
            ids = [.. args.Except(asked)];
        string id = ids.Length > 0 ? ids[0] : BackboneCatalog.DefaultId;
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(id);
        Table table = experiment.Table(
            $"{id}; {Folds} folds, seeds 1 to {Seeds}; mean accuracy, and less {Plain} (less {Defaults} for the last "
                + "two), paired by fold and seed, 95 % by Student's t (folds share training images, so it is rather "
                + "too narrow); ms per image of decoding and featurising on one core",
            Column.Text("task", 10),
            Column.Text("features", 16),
            Column.Number("images"),
            Column.Percent("accuracy", 8),
            Column.Number("log-loss", "0.000"),
            Column.Number("less plain", "0.0"),
            Column.Text("interval", 14),
            Column.Number("ms", "0")
        );
        foreach (string task in asked.Length > 0 ? asked : [.. tasks.Keys])
            Task(task, tasks[task](), backbone, work, table);
        return 0;
    }

    private static void Task(string task, Dataset data, Backbone backbone, Scratch work, Table table)
    {
        (FeatureTable plain, int[] groups, double plainTime) = Features(data, backbone);
        (FeatureTable mean, _, double meanTime) = Features(
            data,
            MirroredNetwork.Of(backbone, TestTimeAugmentation.Flip)
        );
        // What the mean is made of besides the image's own features.
        FeatureTable mirrored = new(
            plain.ClassNames,
            plain.Labels,
            [.. mean.Values.Zip(plain.Values, (m, p) => 2 * m - p)],
            plain.Width
        );
        FeatureTable adapted = Adapted(data, backbone, plain.Labels);
        Dictionary<string, Scores> scores = new()
        {
            [Plain] = new(),
            ["flip"] = new(),
            ["mirrored rows"] = new(),
            ["adabn"] = new(),
        };
        for (int seed = 1; seed <= Seeds; seed++)
        {
            int[] fold = StratifiedFolds.Assign(plain.Labels, groups, Folds, seed);
            for (int f = 0; f < Folds; f++)
            {
                int[] rows = [.. Enumerable.Range(0, plain.Rows)],
                    train = [.. rows.Where(r => fold[r] != f)],
                    test = [.. rows.Where(r => fold[r] == f)];
                double l2 = Fit(plain, plain, train, test, seed, null, scores[Plain]);
                Fit(mean, mean, train, test, seed, null, scores["flip"]);
                // With the penalty of the plain rows: held out by chance, a row and its mirror image stand on two
                // sides, and the penalty comes out too small.
                FeatureTable both = new(
                    plain.ClassNames,
                    [.. plain.Labels, .. plain.Labels],
                    [.. plain.Values, .. mirrored.Values],
                    plain.Width
                );
                Fit(
                    both,
                    plain,
                    [.. train, .. train.Select(r => r + plain.Rows)],
                    test,
                    seed,
                    l2,
                    scores["mirrored rows"]
                );
                Fit(adapted, adapted, train, test, seed, null, scores["adabn"]);
            }
        }

        Dictionary<string, double> times = new()
        {
            [Plain] = plainTime,
            ["flip"] = meanTime,
            ["mirrored rows"] = plainTime,
            ["adabn"] = plainTime,
        };
        foreach ((string name, Scores found) in scores)
            Add(table, task, name, plain.Rows, found, name == Plain ? null : scores[Plain], times[name]);
        string list = work.File(task + ".csv");
        PackagedFolders.WriteList(data, list);
        Scores alone = Trained(list, backbone, TestTimeAugmentation.None, work),
            flipped = Trained(list, backbone, TestTimeAugmentation.Flip, work);
        Add(table, task, Defaults, plain.Rows, alone, null, double.NaN);
        Add(table, task, Defaults + ", flip", plain.Rows, flipped, alone, double.NaN);
    }

    private static (FeatureTable Table, int[] Groups, double Milliseconds) Features(
        Dataset data,
        Backbone backbone
    )
    {
        using FeatureExtractor extractor = new(backbone);
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        double time = extractor
            .Costs([.. rows.Accepted.Select(i => data.Items[i])], TimeProvider.System, CancellationToken.None)
            .Single()
            .Milliseconds;
        return (
            new FeatureTable(
                data.ClassNames,
                [.. rows.Accepted.Select(i => data.Items[i].Label)],
                rows.Values,
                rows.Width
            ),
            Groups.OfDigests(rows.Digests),
            time
        );
    }

    /// <summary>
    /// Features after AdaBN (Li et al., Revisiting Batch Normalization for Practical Domain Adaptation, 2016). The
    /// statistics are of images of the whole task, those held out among them: more than a training run would know.
    /// </summary>
    private static FeatureTable Adapted(Dataset data, Backbone backbone, int[] labels)
    {
        OnnxModel model = AdaptedStatistics.Of(backbone.LoadModel(), data, backbone.Card.Preprocessing!);
        FeatureTable table = TransferExperiment.Features(
            data,
            FeatureGraph.Build(model, backbone.Card.Tap().Tensor).ToBytes(),
            backbone.Card.Preprocessing!
        );
        return table.Labels.SequenceEqual(labels)
            ? table
            : throw new TransferException("The adapted network rejected other images than the network.");
    }

    private static double Fit(
        FeatureTable trainTable,
        FeatureTable testTable,
        int[] train,
        int[] test,
        int seed,
        double? l2,
        Scores scores
    )
    {
        SoftmaxHead head = new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = seed, L2 = l2 }).Fit(
            trainTable.Select(train)
        );
        FeatureTable held = testTable.Select(test);
        ClassificationReport report = ClassificationReport.Of(held.ClassNames, held.Labels, head.Predict(held));
        scores.Accuracies.Add(report.Accuracy);
        scores.LogLosses.Add(report.LogLoss);
        return head.Report.L2;
    }

    private static Scores Trained(string list, Backbone backbone, TestTimeAugmentation augmentation, Scratch work)
    {
        Scores scores = new();
        for (int seed = 1; seed <= Seeds; seed++)
        {
            TrainSummary summary = new TrainJob(
                new TrainOptions
                {
                    Folder = list,
                    Output = work.File("out"),
                    Backbone = backbone.Card.Id,
                    TestTimeAugmentation = augmentation,
                    Folds = Folds,
                    Seed = seed,
                }
            ).Run();
            scores.Accuracies.AddRange(summary.FoldAccuracies);
            scores.LogLosses.Add(summary.LogLoss);
        }

        return scores;
    }

    private static void Add(
        Table table,
        string task,
        string name,
        int images,
        Scores found,
        Scores? reference,
        double milliseconds
    )
    {
        double[] pairs = reference is null ? [] : [.. found.Accuracies.Zip(reference.Accuracies, (a, b) => a - b)];
        double mean = pairs.Length == 0 ? double.NaN : pairs.Average();
        // Student's t of 14 degrees of freedom, 97.5 %: three seeds of five folds.
        double half =
            pairs.Length == 0
                ? double.NaN
                : 2.145 * Math.Sqrt(pairs.Sum(p => (p - mean) * (p - mean)) / (pairs.Length - 1) / pairs.Length);
        table.Add(
            task,
            name,
            images,
            new Figure(found.Accuracies.Average()),
            found.LogLosses.Average(),
            100 * mean,
            pairs.Length == 0
                ? ""
                : FormattableString.Invariant($"{100 * (mean - half):f1} to {100 * (mean + half):f1}"),
            milliseconds
        );
    }

    /// <summary>What a way of making features scored, by seed and fold.</summary>
    private sealed class Scores
    {
        public List<double> Accuracies { get; } = [];

        public List<double> LogLosses { get; } = [];
    }
}

/// <summary>Statistics of batch normalisation, taken anew from some images, labels unseen.</summary>
internal static class AdaptedStatistics
{
    private const int Most = 256;

    /// <summary>
    /// The model with mean and variance of the images in every batch normalisation, from the input on: each layer sees
    /// what the adapted layers before it give.
    /// </summary>
    public static OnnxModel Of(OnnxModel model, Dataset data, Imaging.Preprocessing preprocessing)
    {
        // Spread over the list, which is sorted by class.
        int count = Math.Min(Most, data.Items.Count);
        DataItem[] some =
        [
            .. Enumerable.Range(0, count).Select(i => data.Items[(int)((long)i * data.Items.Count / count)]),
        ];
        string[] layers =
        [
            .. model.TopologicalOrder().Where(n => n.OpType == "BatchNormalization").Select(n => n.Output[0]),
        ];
        foreach (string layer in layers)
        {
            NodeProto node = model.Nodes.Single(n => n.Output.Contains(layer));
            (float[] mean, float[] variance) = Moments(model, node.Input[0], some, preprocessing);
            string[] names = [node.Input[3], node.Input[4]];
            model = model.With(proto =>
            {
                for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                    if (Array.IndexOf(names, proto.Graph.Initializer[i].Name) is >= 0 and var at)
                        proto.Graph.Initializer[i] = TensorData.Floats(
                            names[at],
                            at == 0 ? mean : variance,
                            mean.Length
                        );
            });
        }

        return model;
    }

    private static (float[] Mean, float[] Variance) Moments(
        OnnxModel model,
        string tensor,
        DataItem[] items,
        Imaging.Preprocessing preprocessing
    )
    {
        string square = model.UniqueName("square");
        OnnxModel squared = model.Append([
            new NodeProto
            {
                OpType = "Mul",
                Name = square,
                Input = { tensor, tensor },
                Output = { square },
            },
        ]);
        using ItemGraph graph = new(
            FeatureGraph.Build(squared, tensor, square).ToBytes(),
            FeatureGraph.Output,
            preprocessing
        );
        ItemRows rows = new ItemRunner(graph).Run(items, "statistics");
        int width = rows.Width / 2;
        double[] sums = new double[rows.Width];
        for (int row = 0; row < rows.Accepted.Length; row++)
        for (int i = 0; i < sums.Length; i++)
            sums[i] += rows.Row(row)[i] / rows.Accepted.Length;
        return (
            [.. sums.Take(width).Select(m => (float)m)],
            [.. Enumerable.Range(0, width).Select(i => (float)Math.Max(0, sums[width + i] - sums[i] * sums[i]))]
        );
    }
}
