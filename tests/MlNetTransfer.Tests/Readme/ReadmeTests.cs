using MlNetTransfer.Jobs;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Readme;

/// <summary>The README's code is compiled here and run; the README's text must be this text.</summary>
[TestClass]
[DoNotParallelize]
public sealed class ReadmeTests
{
    [TestMethod]
    public void Examples_OfTheReadme_AreThisCode()
    {
        string[] run = [.. DocumentedCode.Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// README begins", "// README ends").Select(DocumentedCode.Normal)];
        string[] shown = [.. DocumentedCode.Blocks("README.md", "csharp").Select(b => string.Join('\n', DocumentedCode.Normal(b).Split('\n').Where(line => !line.StartsWith("using MlNetTransfer.", StringComparison.Ordinal))))];
        CollectionAssert.AreEqual(run, shown);
    }

    [TestMethod]
    public void Chain_OfTheReadme_Runs()
    {
        using var folder = new TempFolder();
        StringAssert.Contains(DocumentedProgram.Printed(folder, Chain), "84 % of 31 held-out images, 95 % interval 67 % to 93 %");
    }

    [TestMethod]
    public void Jobs_OfTheReadme_Run()
    {
        using var folder = new TempFolder();
        string printed = DocumentedProgram.Printed(folder, Jobs);
        StringAssert.Contains(printed, "84 % of 31 held-out images");
        StringAssert.Contains(printed, "banana.png: fruit");
    }

    private static void Chain()
    {
        // README begins
        var context = new TransferContext(seed: 1);
        IDataView images = context.Data.LoadImages("data-samples/clipart");
        TrainTestData split = context.Data.TrainTestSplit(images);
        using var model = context.MulticlassClassification.Trainers.ImageClassification("Label", "Image").Fit(split.TrainSet);
        var report = context.MulticlassClassification.Evaluate(model.Transform(split.TestSet));
        context.Model.Save(model, split.TestSet, "out/chain.onnx", report);
        Console.WriteLine($"{report.Accuracy:P0} of {report.Rows} held-out images, 95 % interval {report.AccuracyInterval.Low:P0} to {report.AccuracyInterval.High:P0}");
        // README ends
    }

    private static void Jobs()
    {
        // README begins
        var options = new TrainOptions { Folder = "data-samples/clipart", Output = "out/readme" };
        TrainSummary trained = new TrainJob(options).Run();
        Console.WriteLine($"{trained.Accuracy:P0} of {trained.TestImages} held-out images, 95 % interval {trained.AccuracyInterval[0]:P0} to {trained.AccuracyInterval[1]:P0}");

        PredictionSummary found = new PredictJob("out/readme/model.onnx", ["data-samples/clipart/fruit/banana.png"], top: 3).Run();
        foreach (Prediction p in found.Predictions) Console.WriteLine($"{p.File}: {p.Label} ({p.Probability:P0})");
        // README ends
    }
}
