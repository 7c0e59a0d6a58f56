using MlNetTransfer.Graphs;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Pipelines;

/// <summary>A chain's file and the command line's are one kind of file.</summary>
[TestClass]
public sealed class ModelOperationsTests
{
    private const string Tap = "block_6_expand_relu";
    private static readonly TransferContext Context = new();
    private static readonly string Clipart = Repository.At("data-samples/clipart");
    private static readonly string Banana = Path.Combine(Clipart, "fruit/banana.png");

    [TestMethod]
    public void Load_FileOfTheJob_PredictsAsTheJobDoes()
    {
        using var folder = new TempFolder();
        _ = new TrainJob(new TrainOptions { Folder = Clipart, Output = folder.Path, Taps = [Tap], Head = HeadKind.Ridge }).Run();
        Prediction expected = new PredictJob(folder.File("model.onnx"), [Banana], top: 8).Run().Predictions.Single();

        using TransferModelTransformer model = Context.Model.Load(folder.File("model.onnx"), "ImagePath");
        PredictionEngine<PathRow, PredictionRow> engine = Context.Model.CreatePredictionEngine<PathRow, PredictionRow>(model);
        PredictionRow[] found = new PredictionRow[8];
        Parallel.For(0, found.Length, i => found[i] = engine.Predict(new PathRow { ImagePath = Banana }));

        foreach (PredictionRow one in found)
        {
            Assert.AreEqual(expected.Label, one.PredictedLabel);
            Assert.AreEqual(expected.Probability, one.Score[one.Key]);
        }
    }

    [TestMethod]
    public void Save_ChainOfOnnxAndPixels_IsReadByThePredictJob()
    {
        using var folder = new TempFolder();
        var card = MlNetTransfer.Backbones.BackboneCatalog.Default.Get("mobilenet_v2");
        string onnx = new MlNetTransfer.Backbones.BackboneStore(MlNetTransfer.Backbones.BackboneCatalog.Default).Open(card.Id).Path;
        IDataView data = Context.Data.LoadFromEnumerable(Directory.GetFiles(Clipart, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Where((_, i) => i % 3 == 0)
            .Select(f => new PathRow { ImagePath = f, Label = Path.GetFileName(Path.GetDirectoryName(f)) }).ToArray());
        using var model = Context.Transforms.Conversion.MapValueToKey("Label")
            .Append(Context.Transforms.LoadImages("Image", "ImagePath"))
            .Append(Context.Transforms.ResizeImages("Resized", "Image", card.Preprocessing.Size))
            .Append(Context.Transforms.ExtractPixels("Pixels", "Resized"))
            .Append(Context.Transforms.ApplyOnnxModel("Features", "Pixels", onnx, card.Tap(Tap).Tensor))
            .Append(Context.MulticlassClassification.Trainers.ImageClassification(new ImageClassificationOptions { Head = HeadKind.Ridge }))
            .Append(Context.Transforms.Conversion.MapKeyToValue("Class", "PredictedLabel"))
            .Fit(data);
        PredictionRow expected = Context.Model.CreatePredictionEngine<PathRow, PredictionRow>(model).Predict(new PathRow { ImagePath = Banana, Label = "fruit" });
        SavedModel saved = Context.Model.Save(model, data, folder.File("m.onnx"));

        Prediction found = new PredictJob(saved.Path, [Banana], top: 8).Run().Predictions.Single();
        Assert.AreEqual(expected.PredictedLabel, found.Label);
        // float32 in two orders of summation: see ParityRecord.Tolerance.
        Assert.AreEqual(expected.Score[expected.Key], found.Probability, 1e-4);
    }

    [TestMethod]
    public void Save_ChainWithoutClassifier_SaysWhatAFileHolds()
    {
        using var folder = new TempFolder();
        IDataView data = Context.Data.LoadImages(Clipart);
        using ITransformer model = Context.Transforms.ResizeImages("Resized", "Image", 64).Append(Context.Transforms.ExtractPixels("Pixels", "Resized")).Fit(data);
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.Model.Save(model, data, folder.File("m.onnx"))).Message, "The chain has no trained classifier.");
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Save_ClassifierOnFeaturesOfTheData_IsRefused()
    {
        using var folder = new TempFolder();
        VectorRow[] rows = [.. Enumerable.Range(0, 20).Select(i => new VectorRow { Features = [i % 2, i % 3, i], Label = i % 2 == 0 ? "even" : "odd" })];
        IDataView data = Context.Data.LoadFromEnumerable(rows);
        using var model = Context.Transforms.Conversion.MapValueToKey("Label").Append(Context.MulticlassClassification.Trainers.ImageClassification()).Fit(data);
        Assert.AreEqual(1.0, Context.MulticlassClassification.Evaluate(model.Transform(data)).Accuracy, "The classes differ in the first number.");
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.Model.Save(model, data, folder.File("m.onnx"))).Message, "Column 'Features' is not made by ApplyBackbone or ApplyOnnxModel.");
    }

    [TestMethod]
    public void Load_FileOfANewerVersion_SaysSo()
    {
        using var folder = new TempFolder();
        _ = new TrainJob(new TrainOptions { Folder = Clipart, Output = folder.Path, Taps = [Tap], Head = HeadKind.Ridge }).Run();
        OnnxModel.Load(folder.File("model.onnx")).WithMetadata("mlnet_transfer.format", "mlnet-transfer/2").Save(folder.File("newer.onnx"));
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.Model.Load(folder.File("newer.onnx"))).Message, "has format 'mlnet-transfer/2'; this version reads 'mlnet-transfer/1'. Update mlnet-transfer");
    }

    [TestMethod]
    public void Evaluate_ClassTheModelDoesNotKnow_IsNamed()
    {
        using var folder = new TempFolder();
        VectorRow[] rows = [.. Enumerable.Range(0, 20).Select(i => new VectorRow { Features = [i % 2, i % 3, i], Label = i % 2 == 0 ? "even" : "odd" })];
        var keys = Context.Transforms.Conversion.MapValueToKey("Key", "Label");
        using var model = keys.Append(Context.MulticlassClassification.Trainers.ImageClassification("Key")).Fit(Context.Data.LoadFromEnumerable(rows));
        IDataView other = Context.Data.LoadFromEnumerable([new VectorRow { Features = [0, 0, 0], Label = "neither" }]);
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Context.MulticlassClassification.Evaluate(model.LastTransformer.Transform(other), "Label")).Message, "Row 0 is of class 'neither', which the model does not know; it knows even, odd.");
    }

    [TestMethod]
    public void Trainer_Perceptron_TellsLossesAndStopsOnTheValidationSet()
    {
        var told = new List<FitProgress>();
        VectorRow[] rows = [.. Enumerable.Range(0, 60).Select(i => new VectorRow { Features = [i % 2, i % 3, i % 5], Label = i % 2 == 0 ? "even" : "odd" })];
        IDataView data = Context.Data.LoadFromEnumerable(rows), validation = Context.Data.LoadFromEnumerable(rows[..10]);
        var keys = Context.Transforms.Conversion.MapValueToKey("Label").Fit(data);
        using ImageClassificationTransformer model = Context.MulticlassClassification.Trainers.ImageClassification(new ImageClassificationOptions
        {
            Head = HeadKind.Mlp,
            Epoch = 30,
            LearningRate = 0.01,
            BatchSize = 8,
            EarlyStoppingCriteria = new EarlyStopping { Patience = 30 },
            ValidationSet = keys.Transform(validation),
            MetricsCallback = told.Add,
        }).Fit(keys.Transform(data));
        double[] losses = [.. told.Where(t => t is { Stage: "Fitting the head", ValidationLogLoss: not null }).Select(t => t.ValidationLogLoss!.Value)];
        Assert.IsGreaterThanOrEqualTo(30, losses.Length);
        Assert.IsLessThan(losses[0], losses[^1], "Thirty epochs on separable classes lower the loss.");
        Assert.AreEqual(1.0, Context.MulticlassClassification.Evaluate(model.Transform(keys.Transform(data))).Accuracy);
    }
}
