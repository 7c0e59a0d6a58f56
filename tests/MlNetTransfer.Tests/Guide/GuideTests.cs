using System.Text.RegularExpressions;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Guide;

/// <summary>The guides' code is compiled here and run; what they say it prints is what it prints.</summary>
[TestClass]
[DoNotParallelize]
public sealed class GuideTests
{
    private const string Here = "tests/MlNetTransfer.Tests/Guide/", FirstModel = "docs/guide/first-model.md", FromMlNet = "docs/guide/from-ml-net.md";

    [TestMethod]
    public void Guides_EveryBlockOfCode_IsCodeThatIsRun()
    {
        string[] run = [.. new[] { "GuideTests.cs", "Photo.cs", "PhotoClass.cs" }.SelectMany(f => DocumentedCode.Parts(Here + f, "// guide: ", "// guide end")).Select(DocumentedCode.Normal)];
        string[] shown = [.. DocumentedCode.Blocks(FirstModel, "csharp").Concat(DocumentedCode.Blocks(FromMlNet, "csharp")).Select(DocumentedCode.Normal).Select(b => b.Replace("using MlNetTransfer.Pipelines;\n", "", StringComparison.Ordinal))];
        CollectionAssert.AreEquivalent(run, shown);
    }

    [TestMethod]
    public void FirstModel_PrintsWhatItSays_AndIsWhatTrainPrints()
    {
        using var folder = new TempFolder();
        string printed = DocumentedProgram.Printed(folder, FirstModelProgram);
        foreach (string block in DocumentedCode.Blocks(FirstModel, "text").Where(b => !b.StartsWith("Step", StringComparison.Ordinal)))
            StringAssert.Contains(Rough(printed), Rough(block));
        StringAssert.Matches(printed, new Regex(@"^fruit \(\d+ ?%\)$", RegexOptions.Multiline));
        TrainSummary job = new TrainJob(new TrainOptions { Folder = Repository.At("data-samples/clipart"), Output = folder.File("job") }).Run();
        CollectionAssert.AreEqual(ModelBytes.WithoutCard(job.Model), ModelBytes.WithoutCard(folder.File("out/model.onnx")));
    }

    [TestMethod]
    public void FromMlNet_Program_Runs()
    {
        using var folder = new TempFolder();
        _ = DocumentedProgram.Printed(folder, FromMlNetProgram);
        Assert.IsTrue(File.Exists(folder.File("out/model.onnx")));
    }

    [TestMethod]
    public void FromMlNet_TableOfOptions_NamesEveryOption()
    {
        string guide = File.ReadAllText(Repository.At(FromMlNet));
        foreach (System.Reflection.PropertyInfo option in typeof(ImageClassificationOptions).GetProperties()) StringAssert.Contains(guide, $"`{option.Name}`");
    }

    /// <summary>Without the digits that another kind of processor may round otherwise.</summary>
    private static string Rough(string text) => Regex.Replace(DocumentedCode.Normal(text), @"\[[^\]]*\]|\de-\d+", "#");

    private static Photo[] Photos() =>
        [.. Directory.GetFiles("data-samples/clipart", "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(f => new Photo { ImagePath = Path.GetRelativePath("data-samples/clipart", f), Label = Path.GetFileName(Path.GetDirectoryName(f)) })];

    private static void FirstModelProgram()
    {
        // guide: ten lines
        var context = new TransferContext(seed: 1);
        IDataView images = context.Data.LoadImages("data-samples/clipart");
        TrainTestData split = context.Data.TrainTestSplit(images);
        var trainer = context.MulticlassClassification.Trainers.ImageClassification("Label", "Image");
        using var model = trainer.Fit(split.TrainSet);
        var report = context.MulticlassClassification.Evaluate(model.Transform(split.TestSet));
        Console.WriteLine($"{report.Accuracy:P1} of {report.Rows} held-out images, 95 % interval {report.AccuracyInterval.Low:P1} to {report.AccuracyInterval.High:P1}");
        SavedModel saved = context.Model.Save(model, split.TestSet, "out/model.onnx", report);
        Console.WriteLine($"{saved.Path}: agrees with the chain to {saved.Parity.MaxDifference:g1} on {saved.Parity.Images} images");
        // guide end
        Photo[] photos = Photos();
        // guide: steps
        using var chain = context.Transforms.Conversion.MapValueToKey("Label")
            .Append(context.Transforms.LoadImages("Image", "ImagePath", imageFolder: "data-samples/clipart"))
            .Append(context.Transforms.ApplyBackbone("Features", "Image", "mobilenet_v2_140", taps: ["block_13_expand_relu"]))
            .Append(context.MulticlassClassification.Trainers.ImageClassification())
            .Append(context.Transforms.Conversion.MapKeyToValue("Class", "PredictedLabel"))
            .Fit(context.Data.LoadFromEnumerable(photos));
        // guide end
        Assert.AreEqual(photos.Length, chain.Transform(context.Data.LoadFromEnumerable(photos)).Read(["Class"]).Sum(b => b.Rows));
        // guide: engine
        using TransferModelTransformer loaded = context.Model.Load("out/model.onnx", imageColumnName: "ImagePath");
        PredictionEngine<Photo, PhotoClass> engine = context.Model.CreatePredictionEngine<Photo, PhotoClass>(loaded);
        PhotoClass found = engine.Predict(new Photo { ImagePath = "data-samples/clipart/fruit/banana.png" });
        Console.WriteLine($"{found.PredictedLabel} ({found.Score.Max():P0})");
        // guide end
        // guide: ledger
        var ledger = new List<RejectedImage>();
        var tolerant = new TransferContext(seed: 1, new TransferContextOptions { OnRejected = ledger.Add });
        // guide end
        Assert.AreEqual(157, tolerant.Data.LoadImages("data-samples/clipart").RowCount);
        Assert.IsEmpty(ledger);
        // guide: preview
        Console.WriteLine(model.Transform(split.TestSet).Preview(3));
        // guide end
    }

    private static void FromMlNetProgram()
    {
        Photo[] photos = Photos();
        // guide: ML.NET's program
        var context = new TransferContext(seed: 1);
        IDataView data = context.Data.LoadFromEnumerable(photos);
        TrainTestData split = context.Data.TrainTestSplit(data, testFraction: 0.2);
        var pipeline = context.Transforms.Conversion.MapValueToKey("LabelAsKey", "Label")
            .Append(context.Transforms.LoadImages("Image", "ImagePath", imageFolder: "data-samples/clipart"))
            .Append(context.MulticlassClassification.Trainers.ImageClassification(new ImageClassificationOptions { FeatureColumnName = "Image", LabelColumnName = "LabelAsKey" }))
            .Append(context.Transforms.Conversion.MapKeyToValue("Class", "PredictedLabel"));
        using var model = pipeline.Fit(split.TrainSet);
        ClassificationReport metrics = context.MulticlassClassification.Evaluate(model.Transform(split.TestSet), labelColumnName: "LabelAsKey");
        context.Model.Save(model, split.TrainSet, "out/model.onnx");
        // guide end
        Assert.IsGreaterThan(0.6, metrics.Accuracy, "Eight classes, 0.839 measured; chance is 0.125.");
    }
}
