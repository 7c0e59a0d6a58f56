using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Shared;
using static MlNetTransfer.Tests.Scoring.ScoredFile;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>Chains of ML.NET over any data: what Transform gives, row by row, whatever is interrupted.</summary>
[TestClass]
public sealed class ScoreCatalogTests
{
    private static readonly MLContext Context = new(1);

    /// <summary>Pixels of 16 by 16 and a trainer of ML.NET's, of which nothing is ours.</summary>
    private static readonly Lazy<ITransformer> Stock = new(() =>
        Context
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(Context.Transforms.LoadImages("Image", "", "ImagePath"))
            .Append(Context.Transforms.ResizeImages("Image", 16, 16))
            .Append(Context.Transforms.ExtractPixels("Features", "Image"))
            .Append(Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Append(Context.Transforms.Conversion.MapKeyToValue("Name", "PredictedLabel"))
            .Fit(Images.Rows(Images.Few(6, "bird", "fruit", "house")))
    );

    [TestMethod]
    [DataRow(".csv", 1)]
    [DataRow(".csv", 3)]
    [DataRow(".parquet", 2)]
    [DataRow(".db", 2)]
    public void Score_ChainOfOthers_GivesWhatTransformGives(string kind, int workers)
    {
        using var folder = new TempFolder();
        TaggedRow[] rows = Rows(30);
        rows[7].ImagePath = folder.File("gone.png");
        rows[19].ImagePath = folder.Write("broken.png", "no image"u8.ToArray());
        string output = folder.File($"out{kind}");
        ScoreSummary summary = Context.Data.Score(
            Stock.Value,
            Context.Data.LoadFromEnumerable(rows),
            output,
            new DataScoreOptions { Workers = workers, Table = "answers" }
        );
        Assert.AreEqual((30L, 2L), (summary.Rows, summary.Rejected));
        Assert.AreEqual(rows[7].ImagePath, summary.FirstRejected[0].File);
        List<Dictionary<string, string>> found = kind switch
        {
            ".csv" => Csv(output),
            ".parquet" => ParquetRows(output),
            _ => Sqlite(output),
        };
        TaggedRow[] good = [.. rows.Where((_, i) => i is not (7 or 19))];
        IDataView expected = Stock.Value.Transform(Context.Data.LoadFromEnumerable(good));
        string[] names = [.. expected.GetColumn<string>("Name")];
        float[][] scores = [.. expected.GetColumn<float[]>("Score")];
        int next = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreEqual(rows[i].ImagePath, found[i]["file"]);
            Assert.AreEqual($"{rows[i].Number}", found[i]["Number"], "columns of the data go along");
            if (i is 7 or 19)
            {
                StringAssert.Contains(found[i]["error"], i == 7 ? "gone.png" : "image");
                Assert.AreEqual("", found[i]["Name"]);
                continue;
            }

            Assert.AreEqual("", found[i]["error"]);
            Assert.AreEqual(names[next], found[i]["Name"]);
            Assert.AreEqual(scores[next++][1], Number(found[i]["Score_fruit"]));
        }
    }

    [TestMethod]
    public void Score_Interrupted_GoesOnAndEndsInTheRowsOfOneCall()
    {
        using var folder = new TempFolder();
        IDataView data = Context.Data.LoadFromEnumerable(Rows(200));
        string whole = folder.File("whole.csv"),
            output = folder.File("out.csv");
        Context.Data.Score(Stock.Value, data, whole);
        using var cancellation = new CancellationTokenSource();
        int seen = 0;
        var progress = new Told(() =>
        {
            if (Interlocked.Increment(ref seen) == 80)
                cancellation.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() =>
            Context.Data.Score(Stock.Value, data, output, null, progress, cancellation.Token)
        );
        ScoreSummary summary = Context.Data.Score(Stock.Value, data, output);
        Assert.AreEqual(200, summary.Rows);
        Assert.IsTrue(summary.FromBefore is >= 64 and < 200, $"{summary.FromBefore}");
        CollectionAssert.AreEqual(File.ReadAllBytes(whole), File.ReadAllBytes(output));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    Context.Data.Score(Stock.Value, data, output, new DataScoreOptions { ModelName = "another" })
                )
                .Message,
            "is of another batch: model '"
        );
    }

    [TestMethod]
    public void Score_ChainOfOurs_GivesWhatTransformGives()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows = Images.Few(4, "bird", "fruit");
        string output = folder.File("out.jsonl");
        var options = new DataScoreOptions { Columns = ["Label", "PredictedLabel", "Score"], ModelName = "ours" };
        Context.Data.Score(
            Images.Model,
            Images.Rows([.. rows, new ImagePathRow { ImagePath = "gone.png" }]),
            output,
            options
        );
        List<Dictionary<string, string>> found = JsonLines(output);
        IDataView expected = Images.Model.Transform(Images.Rows(rows));
        float[][] scores = Images.Vectors(expected, "Score");
        Assert.HasCount(9, found);
        for (int i = 0; i < rows.Length; i++)
            Assert.AreEqual(scores[i][0], Number(found[i]["Score_bird"]));
        StringAssert.Contains(found[8]["error"], "gone.png");
    }

    [TestMethod]
    public void ScoreJob_ModelThatWasSaved_GivesWhatTransformGives()
    {
        using var folder = new TempFolder();
        TaggedRow[] rows = Rows(10);
        string model = folder.File("model.zip"),
            list = folder.File("list.csv"),
            output = folder.File("out.csv");
        Context.Model.Save(Stock.Value, Images.Rows().Schema, model);
        File.WriteAllLines(list, rows.Select(row => $"{row.ImagePath},{row.Number}").Prepend("path,number"));
        var options = new ScoreOptions
        {
            Model = model,
            Input = list,
            Output = output,
        };
        ScoreSummary summary = new ScoreJob(options).Run();
        Assert.AreEqual((10L, 0L), (summary.Rows, summary.Rejected));
        string[] names = [.. Stock.Value.Transform(Context.Data.LoadFromEnumerable(rows)).GetColumn<string>("Name")];
        List<Dictionary<string, string>> found = Csv(output);
        CollectionAssert.AreEqual(names, found.Select(row => row["Name"]).ToArray());
        CollectionAssert.AreEqual(
            rows.Select(row => $"{row.Number}").ToArray(),
            found.Select(row => row["number"]).ToArray()
        );
        StringAssert.Contains(Refused(options with { Top = 3, Restart = true }), "--top has no effect here");
        File.WriteAllText(model, "no archive");
        StringAssert.Contains(Refused(options), "cannot be read as a model of ML.NET");
        StringAssert.Contains(Refused(options with { Model = folder.File("gone.zip") }), "There is no model");
    }

    [TestMethod]
    public void ScoreJob_ChainOfBytesAndANumber_TakesBothAndSaysWhatIsNone()
    {
        using var folder = new TempFolder();
        IDataView rows = Context.Data.LoadFromEnumerable(
            Images
                .Few(4, "bird", "fruit")
                .Select((r, i) => new NumberedRow { Image = File.ReadAllBytes(r.ImagePath), Weight = i })
        );
        ITransformer chain = Context
            .Transforms.FeaturizeImages("Pixels", "Image")
            .Append(Context.Transforms.Expression("Doubled", "w : 2 * w", "Weight"))
            .Fit(rows);
        string model = folder.File("model.zip"),
            list = folder.File("list.csv"),
            output = folder.File("out.jsonl");
        Context.Model.Save(chain, rows.Schema, model);
        string[] images = [.. Images.Few(1, "bird", "fruit", "house").Select(r => r.ImagePath)];
        File.WriteAllLines(
            list,
            ["path,weight", $"{images[0]},1.5", $"{images[1]},many", $"{images[2]},", "gone.png,2"]
        );
        ScoreSummary summary = new ScoreJob(
            new ScoreOptions
            {
                Model = model,
                Input = list,
                Output = output,
            }
        ).Run();
        Assert.AreEqual((4L, 2L), (summary.Rows, summary.Rejected));
        List<Dictionary<string, string>> found = JsonLines(output);
        Assert.AreEqual("3", found[0]["Doubled"]);
        File.WriteAllLines(folder.File("less.csv"), ["path,wieght", $"{images[0]},1.5"]);
        StringAssert.Contains(
            Refused(
                new ScoreOptions
                {
                    Model = model,
                    Input = folder.File("less.csv"),
                    Output = folder.File("less.jsonl"),
                }
            ),
            "needs the column 'Weight', and the input"
        );
        Assert.AreEqual("'Weight' is 'many'; Single was expected", found[1]["error"]);
        Assert.AreEqual("0", found[2]["Doubled"], "the default of its type");
        Assert.AreEqual("the file does not exist", found[3]["error"]);
    }

    [TestMethod]
    [DataRow(".jsonl")]
    [DataRow(".parquet")]
    [DataRow(".db")]
    public void Score_NumbersThatAreNoneAndNamesThatAreTaken_AreWritten(string kind)
    {
        using var folder = new TempFolder();
        OddRow[] rows = [new() { File = "a", Values = [1, float.NaN] }, new() { File = "b", Values = [2, 3] }];
        IDataView data = Context.Data.LoadFromEnumerable(rows);
        ITransformer copy = Context.Transforms.CopyColumns("Copy", "Values").Fit(data);
        string output = folder.File($"odd{kind}");
        string[] columns = kind == ".db" ? ["File", "Model"] : ["File", "Model", "Copy"];
        var options = new DataScoreOptions { Columns = columns, Table = "answers" };
        ScoreSummary summary = Context.Data.Score(copy, data, output, options);
        Assert.AreEqual((2L, 0L), (summary.Rows, summary.Rejected));
        List<Dictionary<string, string>> found = kind switch
        {
            ".jsonl" => JsonLines(output),
            ".parquet" => ParquetRows(output),
            _ => Sqlite(output),
        };
        Assert.AreEqual("a", found[0]["input_File"]);
        if (kind == ".jsonl")
            Assert.AreEqual("[1,null]", found[0]["Copy"]);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    Context.Data.Score(copy, data, output, options with { DataName = "tomorrow" })
                )
                .Message,
            "is of another batch: input 'data tomorrow'"
        );
    }

    [TestMethod]
    public void Score_WhatCannotBeWritten_IsRefusedInWords()
    {
        using var folder = new TempFolder();
        IDataView data = Images.Rows(Images.Few(2, "bird", "fruit"));
        string output = folder.File("out.csv");
        StringAssert.Contains(
            Said(new DataScoreOptions { Columns = ["Gone"] }),
            "no column 'Gone' to write; the model"
        );
        StringAssert.Contains(Said(new DataScoreOptions { KeyColumn = "Gone" }), "no column 'Gone' to name rows by");
        StringAssert.Contains(Said(new DataScoreOptions { Columns = ["Image"] }), "which rows cannot have");
        StringAssert.Contains(Said(new DataScoreOptions { Columns = ["Features"] }), "cannot have lists of numbers");
        Assert.IsFalse(File.Exists(output));
        IDataView loaded = Context.Transforms.LoadImages("Image", "", "ImagePath").Fit(data).Transform(data);
        ITransformer resize = Context.Transforms.ResizeImages("Image", 16, 16).Fit(loaded);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Context.Data.Score(resize, loaded, output)).Message,
            "has decoded images"
        );

        string Said(DataScoreOptions options) =>
            Assert
                .ThrowsExactly<TransferException>(() => Context.Data.Score(Stock.Value, data, output, options))
                .Message;
    }

    private static string Refused(ScoreOptions options) =>
        Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message;

    private static TaggedRow[] Rows(int count)
    {
        ImagePathRow[] some = Images.Few(10, "bird", "fruit", "house");
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new TaggedRow
                {
                    ImagePath = some[i % some.Length].ImagePath,
                    Label = some[i % some.Length].Label,
                    Number = i,
                }),
        ];
    }

    private sealed class Told(Action told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told();
    }

    private sealed class OddRow
    {
        public string File { get; set; } = "";

        public string Model { get; set; } = "";

        [VectorType(2)]
        public float[] Values { get; set; } = [];
    }

    private sealed class NumberedRow
    {
        public byte[] Image { get; set; } = [];

        public float Weight { get; set; }
    }

    private sealed class TaggedRow
    {
        public string ImagePath { get; set; } = "";

        public string Label { get; set; } = "";

        public int Number { get; set; }
    }
}
