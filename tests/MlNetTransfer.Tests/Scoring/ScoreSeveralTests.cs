using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Shared;
using static MlNetTransfer.Tests.Scoring.ScoredFile;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>Several models in one run, and the features that they stand on.</summary>
[TestClass]
public sealed class ScoreSeveralTests
{
    private static ScoreTask task = null!;
    private static string second = "";

    [ClassInitialize]
    public static void Prepare(TestContext _) => second = (task = new ScoreTask()).Second();

    [ClassCleanup]
    public static void CleanUp() => task.Dispose();

    [TestMethod]
    public void Run_TwoModelsOfOneNetwork_SayWhatEachSaysAlone()
    {
        ScoreOptions both = task.Options(task.Folder, task.At("both.csv")) with
        {
            AlsoModels = [new AlsoModel("other", second)],
            Probabilities = true,
            Top = 2,
        };
        ScoreSummary summary = new ScoreJob(both).Run();
        new ScoreJob(both with { AlsoModels = [], Output = task.At("first.csv") }).Run();
        new ScoreJob(both with { AlsoModels = [], Model = second, Output = task.At("second.csv") }).Run();
        List<Dictionary<string, string>> found = Csv(task.At("both.csv")),
            first = Csv(task.At("first.csv")),
            other = Csv(task.At("second.csv"));
        Assert.HasCount(20, found);
        for (int i = 0; i < found.Count; i++)
        {
            foreach ((string column, string value) in first[i])
                Assert.AreEqual(value, found[i][column], $"{column} of row {i}");
            foreach ((string column, string value) in other[i])
                if (column is not ("file" or "error"))
                    Assert.AreEqual(value, found[i][$"other_{column}"], $"{column} of row {i}");
        }

        Assert.AreNotEqual(found[0]["model"], found[0]["other_model"]);
        // The second reads the first's network up to its last tap but one, and has but a head of its own.
        Assert.IsTrue(summary.Saved is > 0.2 and < 0.5, $"{summary.Saved}");
        Assert.AreEqual(0, new ScoreJob(both with { AlsoModels = [], Output = task.At("first.csv") }).Run().Saved);
    }

    [TestMethod]
    public void Run_OtherModelsAtTheSameOutput_AreRefused()
    {
        ScoreOptions options = task.Options(task.Folder, task.At("named.csv")) with
        {
            AlsoModels = [new AlsoModel("other", second)],
        };
        new ScoreJob(options).Run();
        StringAssert.Contains(Refused(options with { AlsoModels = [new AlsoModel("other", task.Model)] }), "model '");
        StringAssert.Contains(Refused(options with { AlsoModels = [] }), "is of another batch: model '");
        StringAssert.Contains(
            Refused(options with { AlsoModels = [new AlsoModel("gone", task.At("gone.onnx"))] }),
            "There is no model"
        );
        StringAssert.Contains(
            Refused(options with { AlsoModels = [new AlsoModel("p", second)], Probabilities = true, Top = 100 }),
            "is of another batch"
        );
        Assert.ThrowsExactly<ArgumentException>(() =>
            options with
            {
                AlsoModels = [new AlsoModel("a", "x"), new AlsoModel("A", "y")],
            }
        );
        Assert.ThrowsExactly<ArgumentException>(() => new AlsoModel("a b", "x"));
        Assert.ThrowsExactly<FormatException>(() => AlsoModel.Parse("model.onnx"));
        Assert.AreEqual("a=b=c.onnx", AlsoModel.Parse("a=b=c.onnx").ToString());
    }

    [TestMethod]
    public void Run_ModelOfOtherPreprocessing_IsRefused()
    {
        ModelFile file = ModelFile.Load(second);
        string other = task.At("mirrored.onnx");
        Preprocessing images = file.Metadata.Preprocessing;
        ModelFile
            .Stated(
                file.Onnx,
                file.Metadata with
                {
                    Encoder = new ImageEncoder(images with { Mean = new ChannelValues(1, 2, 3) }),
                }
            )
            .Save(other);
        StringAssert.Contains(
            Refused(
                task.Options(task.Folder, task.At("mixed.csv")) with
                {
                    AlsoModels = [new AlsoModel("other", other)],
                }
            ),
            "prepared otherwise"
        );
    }

    [TestMethod]
    [DataRow(".npy")]
    [DataRow(".parquet")]
    [DataRow(".jsonl")]
    public void Run_Features_AreThoseOfTheModelsNetwork(string kind)
    {
        string output = task.At($"features{kind}");
        new ScoreJob(task.Options(task.Folder, output) with { Features = true }).Run();
        List<Dictionary<string, string>> rows = kind switch
        {
            ".npy" => Csv(task.At("features.csv")),
            ".parquet" => ParquetRows(output),
            _ => JsonLines(output),
        };
        Assert.HasCount(20, rows);
        CollectionAssert.AreEqual(task.Names.ToArray(), rows.Select(row => row["file"]).ToArray());
        (int width, float[] expected) = Expected(rows);
        float[][] found = kind == ".npy" ? Numpy(output) : [.. rows.Select(row => Numbers(row["features"]))];
        for (int i = 0; i < rows.Count; i++)
            if (rows[i]["error"].Length > 0)
                Assert.IsTrue(found[i].All(float.IsNaN) && found[i].Length == (kind == ".npy" ? width : 0));
            else
                CollectionAssert.AreEqual(expected[(i * width)..((i + 1) * width)], found[i], rows[i]["file"]);
    }

    [TestMethod]
    public void Run_FeaturesWhereTheyCannotBe_AreRefused()
    {
        ScoreOptions options = task.Options(task.Folder, task.At("refused.csv")) with { Features = true };
        StringAssert.Contains(Refused(options), "cannot have lists of numbers, and 'features' is one. Give a .npy");
        StringAssert.Contains(Refused(options with { Output = task.At("refused.db") }), "cannot have lists");
        StringAssert.Contains(
            Refused(options with { Features = false, Output = task.At("refused.npy") }),
            "0 were asked for. Add --features"
        );
        StringAssert.Contains(
            Refused(options with { Input = task.Input(".csv"), Output = task.At("list.npy"), Restart = true }),
            "which is the input"
        );
        File.WriteAllText(task.At("kept.csv"), "mine");
        StringAssert.Contains(Refused(options with { Output = task.At("kept.npy") }), "is there already");
        Assert.AreEqual("mine", File.ReadAllText(task.At("kept.csv")));
    }

    private static string Refused(ScoreOptions options) =>
        Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message;

    /// <summary>What the graph gives at its tensor of features, one image after the other.</summary>
    private static (int Width, float[] Values) Expected(List<Dictionary<string, string>> rows)
    {
        ModelFile file = ModelFile.Load(task.Model);
        OnnxModel graph = file.Onnx.CutAt(FeatureGraph.Output);
        using var session = new ItemGraph(graph.ToBytes(), FeatureGraph.Output, file.Metadata.Encoder);
        using ItemGraphWorker worker = session.CreateWorker();
        using var reader = new ItemReader();
        var values = new float[rows.Count * session.OutputWidth];
        for (int i = 0; i < rows.Count; i++)
            if (rows[i]["error"].Length == 0)
                worker.Run(
                    reader.Read(
                        new DataItem(new FileLocation(Path.Combine(task.Folder, rows[i]["file"])), rows[i]["file"])
                    ),
                    values.AsSpan(i * session.OutputWidth, session.OutputWidth)
                );
        return (session.OutputWidth, values);
    }

    private static float[] Numbers(string text) =>
        [.. text.Trim('[', ']').Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(Number)];

    /// <summary>As NumPy reads it, each number by its shortest decimal form.</summary>
    private static float[][] Numpy(string path)
    {
        Python.Require("numpy");
        string text = Python.Run(
            """
            import sys, numpy as np
            a = np.load(sys.argv[1])
            assert a.dtype == np.float32 and a.ndim == 2 and a.flags.c_contiguous
            for row in a: print(' '.join('NaN' if np.isnan(v) else np.format_float_scientific(v, unique=True) for v in row))
            """,
            path
        );
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Numbers)];
    }
}
