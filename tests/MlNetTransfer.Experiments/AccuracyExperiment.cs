using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Accuracy on three tasks: of a softmax head per backbone and tap, beside scikit-learn's logistic regression on the
/// very same features, rows and folds; and of a training run with all its defaults. Clipart and stamps by 5 folds,
/// Fashion-MNIST by its own 2,000 training and 2,000 test images.
/// </summary>
internal static class AccuracyExperiment
{
    private const int Folds = 5,
        Seed = 1;

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        PackagedFolders.WriteList(OpenClipart.Read(), work.File("clipart10.csv"));
        PackagedFolders.WriteList(TuxPaintStamps.Read(), work.File("stamps8.csv"));
        if (args is ["defaults", ..])
            return Defaults(
                experiment,
                args.ElementAtOrDefault(1) ?? BackboneCatalog.DefaultId,
                [Repository.At("data-samples/clipart"), work.File("stamps8.csv"), work.File("clipart10.csv")],
                work.File("out")
            );
        FashionMnist.Write(work.File("fashion"), 2000, 2000);
        foreach (string id in args.Length > 0 ? args : [BackboneCatalog.DefaultId])
        foreach (string task in (string[])["clipart10.csv", "stamps8.csv", "fashion"])
            Task(experiment, id, work.File(task), work.File("out"));
        return 0;
    }

    /// <summary>
    /// A training run with all its defaults beside scikit-learn on the default tap's features, on the same folds, with
    /// three seeds.
    /// </summary>
    private static int Defaults(Experiment experiment, string id, IReadOnlyList<string> sources, string output)
    {
        BackboneCard card = BackboneCatalog.Default.Get(id);
        Table results = experiment.Table(
            $"{id}, {Folds} folds, seeds 1 to 3; of train the accuracy over all images, of scikit-learn mean and "
                + $"standard deviation of the folds",
            Column.Text("task", 10),
            Column.Text("seed", 4),
            Column.Percent("train"),
            Column.Percent("scikit-learn"),
            Column.Number("images"),
            Column.Number("classes"),
            Column.Text("head", 12),
            Column.Text("taps")
        );
        foreach (string source in sources)
        {
            Dataset data = DatasetReader.Read(source);
            using var extractor = new FeatureExtractor(
                new BackboneStore(BackboneCatalog.Default).Open(id),
                [card.DefaultTap]
            );
            ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
            var table = new FeatureTable(
                data.ClassNames,
                [.. rows.Accepted.Select(i => data.Items[i].Label)],
                rows.Values,
                rows.Width
            );
            List<double> ours = [],
                sklearn = [];
            for (int seed = 1; seed <= 3; seed++)
            {
                TrainSummary auto = new TrainJob(
                    new TrainOptions
                    {
                        Folder = source,
                        Output = output,
                        Backbone = id,
                        Folds = Folds,
                        Seed = seed,
                    }
                ).Run();
                ours.Add(auto.Accuracy);
                Figure theirs = Sklearn(table, FoldsOf(data, rows, table, Folds, seed));
                sklearn.Add(theirs.Value);
                Row($"{seed}", new Figure(auto.Accuracy), theirs, auto.Head.ToString(), Taken(auto));
            }

            Row("mean", Figure.OfSample(ours), Figure.OfSample(sklearn), null, null);

            void Row(string seed, Figure train, Figure theirs, string? head, string? taps) =>
                results.Add(
                    Path.GetFileNameWithoutExtension(source),
                    seed,
                    train,
                    theirs,
                    table.Rows,
                    table.Classes,
                    head,
                    taps
                );
        }

        return 0;
    }

    private static void Task(Experiment experiment, string id, string source, string output)
    {
        BackboneCard card = BackboneCatalog.Default.Get(id);
        Dataset data = DatasetReader.Read(source);
        int folds = data.Splits is null ? Folds : 0;
        using var extractor = new FeatureExtractor(
            new BackboneStore(BackboneCatalog.Default).Open(id),
            [.. card.Taps.Select(t => t.Name)]
        );
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        var table = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        int[] fold = FoldsOf(data, rows, table, folds, Seed);
        Table results = experiment.Table(
            $"{id} on {Path.GetFileNameWithoutExtension(source)}: {table.Rows} images, {table.Classes} classes, "
                + $"{(folds > 0 ? $"{folds} folds" : "its own test part")}; accuracy, mean and standard "
                + $"deviation of the folds; of softmax also at scikit-learn's penalty; ECE before and after "
                + $"calibration",
            Column.Text("head", 26),
            Column.Percent("accuracy"),
            Column.Percent("samePenalty"),
            Column.Percent("scikit-learn"),
            Column.Number("logLoss", "0.000"),
            Column.Number("eceBefore", "0.000"),
            Column.Number("eceAfter", "0.000"),
            Column.Text("took")
        );
        int start = 0;
        foreach (BackboneTap tap in card.Taps)
        {
            Row(results, tap.Name, table.Columns(start, tap.Width), fold);
            start += tap.Width;
        }

        TrainSummary auto = new TrainJob(
            new TrainOptions
            {
                Folder = source,
                Output = output,
                Backbone = id,
                Folds = folds > 0 ? folds : null,
                Seed = Seed,
            }
        ).Run();
        results.Add(
            "train, all defaults",
            Figure.OfSample(auto.FoldAccuracies.Count > 0 ? [.. auto.FoldAccuracies] : [auto.Accuracy]),
            null,
            null,
            auto.LogLoss,
            auto.EceUncalibrated,
            auto.Ece,
            $"{Taken(auto)}, {auto.Head}"
        );
    }

    private static string Taken(TrainSummary summary) =>
        summary.Taps.Count == 1 ? summary.Taps[0] : $"{summary.Taps.Count} taps together";

    /// <summary>
    /// The folds that the training job makes of the same images; where the images come with a split, its test part is
    /// fold 0 and the rest -1.
    /// </summary>
    private static int[] FoldsOf(Dataset data, ItemRows rows, FeatureTable table, int folds, int seed)
    {
        if (folds == 0)
            return [.. rows.Accepted.Select(i => data.Splits![i] == SplitPart.Test ? 0 : -1)];
        int[] groups = Groups.OfDigests(rows.Digests);
        return groups.Distinct().Count() < groups.Length
            ? StratifiedFolds.Assign(table.Labels, groups, folds, seed, table.ClassNames, rows.Digests)
            : StratifiedFolds.Assign(table.Labels, folds, seed, table.ClassNames, rows.Digests);
    }

    private static void Row(Table results, string name, FeatureTable table, int[] fold)
    {
        int[] rows = [.. Enumerable.Range(0, table.Rows)];
        results.Add(
            name,
            Figure.OfSample(Accuracies(null)),
            Figure.OfSample(Accuracies(n => 1.0 / n)),
            Sklearn(table, fold),
            null,
            null,
            null,
            null
        );

        // scikit-learn minimises the sum of losses + ||W||²/2 at its default C = 1: with our mean of losses, L2 = 1 /
        // rows.
        double[] Accuracies(Func<int, double>? penalty) =>
            [
                .. Enumerable
                    .Range(0, fold.Max() + 1)
                    .Select(f =>
                    {
                        FeatureTable test = table.Select(Array.FindAll(rows, r => fold[r] == f)),
                            train = table.Select(Array.FindAll(rows, r => fold[r] != f));
                        SoftmaxHead head = new SoftmaxTrainer(
                            new SoftmaxTrainerOptions { Seed = Seed, L2 = penalty?.Invoke(train.Rows) }
                        ).Fit(train);
                        return ClassificationReport.Of(table.ClassNames, test.Labels, head.Predict(test)).Accuracy;
                    }),
            ];
    }

    /// <summary>scikit-learn on the same folds.</summary>
    private static Figure Sklearn(FeatureTable table, int[] fold)
    {
        using Scratch scratch = new();
        string file = scratch.File("features");
        using (var stream = File.Create(file))
        {
            stream.Write(MemoryMarshal.AsBytes(table.Values.AsSpan()));
            stream.Write(MemoryMarshal.AsBytes(table.Labels.AsSpan()));
            stream.Write(MemoryMarshal.AsBytes(fold.AsSpan()));
        }

        string found = PythonProgram.Output(
            Script,
            "python3-sklearn",
            file,
            table.Rows.ToString(CultureInfo.InvariantCulture),
            table.Width.ToString(CultureInfo.InvariantCulture)
        );
        return Figure.OfSample([
            .. found.Split().Where(t => t != "").Select(t => double.Parse(t, CultureInfo.InvariantCulture)),
        ]);
    }

    private const string Script = """
        import sys, warnings
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler
        warnings.simplefilter("ignore")
        name, n, d = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        with open(name, "rb") as f:
            x = np.fromfile(f, np.float32, n * d).reshape(n, d)
            y = np.fromfile(f, np.int32, n)
            fold = np.fromfile(f, np.int32, n)
        a = []
        for k in range(fold.max() + 1):
            s = StandardScaler().fit(x[fold != k])
            m = LogisticRegression(max_iter=2000).fit(s.transform(x[fold != k]), y[fold != k])
            a.append(m.score(s.transform(x[fold == k]), y[fold == k]))
        print(*a)
        """;
}
