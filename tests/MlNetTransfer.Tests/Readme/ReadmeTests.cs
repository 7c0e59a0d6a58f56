using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Readme;

/// <summary>The README's code is compiled here and run; the README's text must be this text.</summary>
[TestClass]
[DoNotParallelize]
public sealed class ReadmeTests
{
    [TestMethod]
    public void Example_OfTheReadme_IsThisCodeAndRuns()
    {
        using var folder = new TempFolder();
        string before = Environment.CurrentDirectory;
        TextWriter console = Console.Out;
        using var printed = new StringWriter();
        try
        {
            Directory.CreateSymbolicLink(folder.File("data-samples"), Repository.At("data-samples"));
            Environment.CurrentDirectory = folder.Path;
            Console.SetOut(printed);
            Example();
        }
        finally
        {
            Console.SetOut(console);
            Environment.CurrentDirectory = before;
        }

        StringAssert.Contains(printed.ToString(), "of 31 held-out images");
        StringAssert.Contains(printed.ToString(), "banana.png: fruit");
        string source = DocumentedCode.Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// README begins", "// README ends").Single();
        StringAssert.Contains(DocumentedCode.Normal(File.ReadAllText(Repository.At("README.md"))), DocumentedCode.Normal(source));
    }

    private static void Example()
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
