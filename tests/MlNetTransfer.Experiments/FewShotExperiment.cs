using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Accuracy with few images per class: each head on the same draws, all other images being the test; beside
/// scikit-learn's on the same features and draws.
/// </summary>
internal static class FewShotExperiment
{
    private const int Draws = 20;
    private const string Alone = "alone";
    private static readonly int[] PerClass = [1, 2, 3, 5, 10, 20];

    public static int Run(string[] args, Experiment experiment)
    {
        bool alone = args.Contains(Alone);
        string[] tasks = [.. args.Where(PackagedTasks.All.ContainsKey)],
            ids = [.. args.Except(tasks).Where(arg => arg != Alone)];
        var store = new BackboneStore(BackboneCatalog.Default);
        foreach (string task in tasks.Length > 0 ? tasks : ["clipart10"])
        foreach (string id in ids.Length > 0 ? ids : [BackboneCatalog.DefaultId])
            Compare(task, PackagedTasks.All[task](), store.Open(id), alone, experiment);
        return 0;
    }

    private static void Compare(string task, Dataset data, Backbone backbone, bool alone, Experiment experiment)
    {
        BackboneTap[] taps = [.. backbone.Card.Taps];
        using var extractor = new FeatureExtractor(backbone, [.. taps.Select(tap => tap.Name)]);
        ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
        var whole = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        int at = Array.FindIndex(taps, tap => tap.Name == backbone.Card.DefaultTap);
        FeatureTable table = whole.Columns(taps[..at].Sum(tap => tap.Width), taps[at].Width);
        Table results = experiment.Table(
            $"{backbone.Card.Id} on {task}: {table.Rows} images, {table.Width} features, {table.Classes} classes; "
                + $"accuracy ± standard error over {Draws} draws, log-loss in nats, seconds per fit and judgement",
            Column.Number("perClass"),
            Column.Text("head", 32),
            Column.Percent("accuracy", format: "0.00"),
            Column.Number("logLoss", "0.000"),
            Column.Number("seconds", "0.000")
        );
        foreach (int images in PerClass)
        {
            int[][] draws = [.. Enumerable.Range(0, Draws).Select(seed => Draw(table, images, seed))];
            foreach (
                (string name, bool all, Func<int, FeatureTable, Func<FeatureTable, float[]>> fit) in Heads(
                    extractor.Groups,
                    backbone
                )
            )
            {
                FeatureTable from = all ? whole : table;
                long started = Stopwatch.GetTimestamp();
                ClassificationReport[] reports =
                [
                    .. draws.Select((train, seed) => Judge(from, train, rest => fit(seed, from.Select(train))(rest))),
                ];
                results.Add(
                    images,
                    name,
                    Figure.OfDraws([.. reports.Select(r => r.Accuracy)]),
                    reports.Average(r => r.LogLoss),
                    Stopwatch.GetElapsedTime(started).TotalSeconds / Draws
                );
            }

            foreach ((string name, double[] accuracies) in alone ? [] : Sklearn(table, draws))
                results.Add(images, $"scikit-learn {name}", Figure.OfDraws(accuracies), null, null);
        }
    }

    private static IEnumerable<(string, bool, Func<int, FeatureTable, Func<FeatureTable, float[]>>)> Heads(
        TapGroups groups,
        Backbone backbone
    )
    {
        yield return Of("nearest mean", _ => new NearestMeanTrainer());
        yield return Of("softmax", seed => new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = seed }));
        yield return Of("ridge", _ => new RidgeTrainer());
        yield return Of("kernel", _ => new KernelRidgeTrainer());
        yield return Of("discriminant 0.7", _ => Discriminant(0.7));
        yield return Of("discriminant, leave one out", _ => Discriminant(null));
        yield return Of("auto", seed => new AutoHeadTrainer(new AutoHeadTrainerOptions { Seed = seed }));
        yield return (
            "train's choice, all taps",
            true,
            (seed, train) =>
                new HeadFitter(new HeadRecipeOptions { Seed = seed }, groups, backbone.Card.DefaultTap)
                    .Fit(train, null, CancellationToken.None)
                    .Predict
        );

        static (string, bool, Func<int, FeatureTable, Func<FeatureTable, float[]>>) Of(
            string name,
            Func<int, IHeadTrainer> trainer
        ) => (name, false, (seed, train) => trainer(seed).Fit(train).Predict);

        static CalibratedTrainer Discriminant(double? shrinkage) =>
            new(
                new LinearDiscriminantTrainer(
                    new LinearDiscriminantTrainerOptions { Shrinkage = shrinkage, Rule = ShrinkageRule.LeaveOneOut }
                )
            );
    }

    private static int[] Draw(FeatureTable table, int images, int seed)
    {
        var rng = new Rng(seed);
        return
        [
            .. RowsByClass
                .Of(table.Labels)
                .SelectMany(rows =>
                {
                    rng.Shuffle<int>(rows);
                    return rows.Take(images);
                }),
        ];
    }

    private static ClassificationReport Judge(FeatureTable table, int[] train, Func<FeatureTable, float[]> predict)
    {
        FeatureTable test = table.Select([.. Enumerable.Range(0, table.Rows).Except(train)]);
        return ClassificationReport.Of(table.ClassNames, test.Labels, predict(test));
    }

    /// <summary>
    /// Logistic regression, shrunken discriminant, linear and RBF support vectors on standardised features; C of 0.01
    /// to 100 by cross-validation where every class has enough rows, else scikit-learn's default of 1.
    /// </summary>
    private static IEnumerable<(string Name, double[] Accuracies)> Sklearn(FeatureTable table, int[][] draws)
    {
        using Scratch scratch = new();
        string file = scratch.File("features");
        using (var stream = File.Create(file))
        {
            stream.Write(MemoryMarshal.AsBytes(table.Values.AsSpan()));
            stream.Write(MemoryMarshal.AsBytes(table.Labels.AsSpan()));
            foreach (int[] draw in draws)
                stream.Write(MemoryMarshal.AsBytes(draw.AsSpan()));
        }

        string found = PythonProgram.Output(
            Script,
            "python3-sklearn",
            [
                file,
                .. new[] { table.Rows, table.Width, draws.Length, draws[0].Length }.Select(n =>
                    n.ToString(CultureInfo.InvariantCulture)
                ),
            ]
        );
        foreach (string line in found.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = line.Split();
            yield return (
                parts[0],
                [.. parts[1..].Where(p => p != "").Select(p => double.Parse(p, CultureInfo.InvariantCulture))]
            );
        }
    }

    private const string Script = """
        import sys, warnings
        import numpy as np
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
        warnings.simplefilter("ignore")
        name, (n, d, draws, size) = sys.argv[1], map(int, sys.argv[2:])
        with open(name, "rb") as f:
            x = np.fromfile(f, np.float32, n * d).reshape(n, d)
            y = np.fromfile(f, np.int32, n)
            rows = np.fromfile(f, np.int32, draws * size).reshape(draws, size)
        def searched(m, train):
            few = np.bincount(y[train]).min() < 5
            return m if few else GridSearchCV(m, {"C": [0.01, 0.1, 1, 10, 100]}, cv=5)
        models = {
            "logistic": lambda t: searched(LogisticRegression(max_iter=1000), t),
            "LDA": lambda t: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            "SVM-linear": lambda t: searched(SVC(kernel="linear"), t),
            "SVM-RBF": lambda t: searched(SVC(), t),
        }
        for k, make in models.items():
            a = []
            for t in rows:
                rest = np.setdiff1d(np.arange(n), t)
                s = StandardScaler().fit(x[t])
                try:
                    a.append(make(t).fit(s.transform(x[t]), y[t]).score(s.transform(x[rest]), y[rest]))
                except ValueError:  # the discriminant of one row a class
                    a.append(0.0)
            print(k, *a)
        """;
}
