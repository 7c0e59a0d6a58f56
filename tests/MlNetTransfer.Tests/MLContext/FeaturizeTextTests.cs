using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Encoders;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>Texts in ML.NET's pipelines, with a small BERT made by PyTorch.</summary>
[TestClass]
public sealed class FeaturizeTextTests
{
    private static readonly string[] Texts = ["The oven, slowly!", "rain and thunder", "a violin", "= choir ="];

    private static readonly Lazy<(TinyBert Bert, string Id)> Added = new(() =>
    {
        var bert = new TinyBert("plain", Texts);
        // The catalogue of ML.NET's users is that of the machine, here that of the tests.
        const string id = "minilm";
        new UserCatalog().Add(
            new NewBackbone
            {
                Source = bert.Model,
                Id = id,
                Text = new TextInspectionOptions(),
            }
        );
        return (bert, id);
    });

    [ClassCleanup]
    public static void Delete()
    {
        if (Added.IsValueCreated)
            Added.Value.Bert.Dispose();
    }

    [TestMethod]
    public void FeaturizeTextWithBackbone_Rows_AreThoseOfPyTorch()
    {
        using var folder = new TempFolder();
        var ml = new MLContext(1);
        IDataView data = ml.Data.LoadFromEnumerable(Texts.Select(t => new Row { Body = t }));
        ImageFeaturizingEstimator estimator = ml.Transforms.FeaturizeTextWithBackbone(
            "Features",
            nameof(Row.Body),
            Added.Value.Id,
            options: Options(folder)
        );
        using ImageFeaturizingTransformer transformer = estimator.Fit(data);
        float[][] found = [.. transformer.Transform(data).GetColumn<float[]>("Features")];
        for (int i = 0; i < Texts.Length; i++)
        for (int d = 0; d < TinyBert.Width; d++)
            Assert.AreEqual(
                Added.Value.Bert.Said[i].Mean[^1][d],
                found[i][d],
                1e-5f,
                "as in TextBackboneTests: float32 sums in another order"
            );
        PredictionEngine<Row, Scored> engine = ml.Model.CreatePredictionEngine<Row, Scored>(transformer);
        CollectionAssert.AreEqual(found[1], engine.Predict(new Row { Body = Texts[1] }).Features);
    }

    [TestMethod]
    public void FeaturizeTextWithBackbone_BeforeTrainers_Learns()
    {
        using var folder = new TempFolder();
        var ml = new MLContext(1);
        string file = TextJobTests.List(folder, "train.csv", 20, seed: 5);
        string other = TextJobTests.List(folder, "test.csv", 10, seed: 6);
        IDataView train = Rows(ml, file),
            test = Rows(ml, other);
        EstimatorChain<ImageFeaturizingTransformer> features = ml
            .Transforms.Conversion.MapValueToKey("Label", nameof(Row.Topic))
            .Append(
                ml.Transforms.FeaturizeTextWithBackbone(
                    "Features",
                    nameof(Row.Body),
                    Added.Value.Id,
                    options: Options(folder)
                )
            );
        var stock = features.Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy()).Fit(train);
        Assert.IsGreaterThan(
            0.9,
            ml.MulticlassClassification.Evaluate(stock.Transform(test)).MicroAccuracy,
            "each text has three words of its topic alone"
        );
        var own = features
            .Append(ml.MulticlassClassification.Trainers.ImageClassification("Label", "Features"))
            .Fit(train);
        Assert.IsGreaterThan(0.9, ml.MulticlassClassification.Evaluate(own.Transform(test)).MicroAccuracy);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            ml.Model.Save(stock, train.Schema, folder.File("model.zip"))
        );
        StringAssert.Contains(error.Message, "cannot be saved in a chain of ML.NET");
    }

    [TestMethod]
    public void Program_OfTheGuide_Learns()
    {
        using var folder = new TempFolder();
        _ = Added.Value;
        var ml = new MLContext(1);
        // Texts begins
        var pipeline = ml
            .Transforms.Conversion.MapValueToKey("Label", "Topic")
            .Append(ml.Transforms.FeaturizeTextWithBackbone("Features", "Body", "minilm"))
            .Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy());
        // Texts ends
        IDataView rows = Rows(ml, TextJobTests.List(folder, "train.csv", 10, seed: 7));
        var fitted = pipeline.Fit(rows);
        Assert.IsGreaterThan(0.9, ml.MulticlassClassification.Evaluate(fitted.Transform(rows)).MicroAccuracy);
        Assert.AreEqual(
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts(
                        "tests/MlNetTransfer.Tests/MLContext/FeaturizeTextTests.cs",
                        "// Texts begins",
                        "// Texts ends"
                    )
                    .Single()
            ),
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/texts.md", "csharp").Single())
        );
    }

    [TestMethod]
    public void FeaturizeTextWithBackbone_EmptyText_IsAnErrorOrALineOfTheLedger()
    {
        using var folder = new TempFolder();
        var ml = new MLContext(1);
        IDataView data = ml.Data.LoadFromEnumerable([new Row { Body = "rain" }, new Row { Body = " " }]);
        using ImageFeaturizingTransformer strict = Fit(Options(folder));
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            strict.Transform(data).GetColumn<float[]>("Features").ToArray()
        );
        StringAssert.Contains(error.Message, "The text row 1 (counted from 0) in column 'Body' cannot be used");
        List<RejectedItem> told = [];
        using ImageFeaturizingTransformer lenient = Fit(Options(folder) with { OnRejected = told.Add });
        Assert.HasCount(1, lenient.Transform(data).GetColumn<float[]>("Features").ToArray());
        StringAssert.Contains(told.Single().Reason, "the text is empty");

        ImageFeaturizingTransformer Fit(ImageFeaturizingOptions options) =>
            ml.Transforms.FeaturizeTextWithBackbone("Features", "Body", Added.Value.Id, options: options).Fit(data);
    }

    [TestMethod]
    public void Featurize_BackboneOfTheOtherKind_NamesTheOtherStep()
    {
        var ml = new MLContext(1);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    ml.Transforms.FeaturizeTextWithBackbone("Features", "Body", BackboneCatalog.DefaultId)
                )
                .Message,
            "takes images; this step gives it texts. Call FeaturizeImages"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    ml.Transforms.FeaturizeImages("Features", "Body", Added.Value.Id)
                )
                .Message,
            "takes texts; this step gives it images. Call FeaturizeTextWithBackbone"
        );
    }

    [TestMethod]
    public void Fit_ColumnThatIsNoText_SaysWhatItIs()
    {
        using var folder = new TempFolder();
        var ml = new MLContext(1);
        IDataView data = ml.Data.LoadFromEnumerable([new Row { Number = 3 }]);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            ml
                .Transforms.FeaturizeTextWithBackbone("F", nameof(Row.Number), Added.Value.Id, options: Options(folder))
                .Fit(data)
        );
        StringAssert.Contains(error.Message, "Column 'Number' is Single; text was expected");
    }

    private static IDataView Rows(MLContext ml, string list)
    {
        Dataset data = DatasetReader.Read(list, new DatasetOptions { TextColumn = "text" });
        return ml.Data.LoadFromEnumerable(
            data.Items.Select(i => new Row { Body = ((TextLocation)i.Location).Text, Topic = data.ClassNames[i.Label] })
        );
    }

    private static ImageFeaturizingOptions Options(TempFolder folder) => new() { CacheFolder = folder.File("cache") };

    private sealed class Row
    {
        public string Body { get; set; } = "";

        public string Topic { get; set; } = "";

        public float Number { get; set; }
    }

    private sealed class Scored
    {
        public float[] Features { get; set; } = [];
    }
}
