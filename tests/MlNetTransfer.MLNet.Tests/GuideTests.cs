using Microsoft.ML;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>The guide's code is compiled and run; the guide's text must be this text.</summary>
[TestClass]
[DoNotParallelize]
public sealed class GuideTests
{
    private const string Guide = "docs/guide/microsoft-ml.md";

    [TestMethod]
    public void Training_OfTheGuide_IsThisCodeAndRuns()
    {
        using var folder = new TempFolder();
        StringAssert.Contains(DocumentedProgram.Printed(folder, Training), "on 31 held-out images");
        Assert.IsTrue(File.Exists(folder.File("model.zip")));
        IsInTheGuide("tests/MlNetTransfer.MLNet.Tests/GuideTests.cs");
    }

    [TestMethod]
    public void Scoring_OfTheGuide_IsTheStockProcesssCode() => IsInTheGuide("tests/MlNetTransfer.MLNet.StockScorer/Example.cs");

    private static void Training()
    {
        // Guide begins
        var mlContext = new MLContext(seed: 1);
        IDataView images = mlContext.Data.LoadFromEnumerable(
            from folder in Directory.GetDirectories("data-samples/clipart").Order()
            from file in Directory.GetFiles(folder).Order()
            select new LabelledImage { ImagePath = file, Label = Path.GetFileName(folder) });

        var options = new TransferImageClassificationOptions { TestFraction = 0.2, Seed = 1 };
        var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.Transforms.LoadTransferPixels("Features", "ImagePath", options.Backbone))
            .Append(mlContext.MulticlassClassification.Trainers.TransferImageClassification(options));

        using var model = pipeline.Fit(images);
        Console.WriteLine($"accuracy {model.LastTransformer.Summary.Accuracy:P0} on {model.LastTransformer.Summary.TestImages} held-out images");

        IDataView pixels = mlContext.Transforms.LoadTransferPixels("Features", "ImagePath", options.Backbone).Fit(images).Transform(images);
        mlContext.Model.Save(model.LastTransformer, pixels.Schema, "model.zip");
        // Guide ends
    }

    private static void IsInTheGuide(string file)
    {
        string source = File.ReadAllText(Repository.At(file));
        int start = source.IndexOf("// Guide begins", StringComparison.Ordinal) + "// Guide begins".Length;
        StringAssert.Contains(Normal(File.ReadAllText(Repository.At(Guide))), Normal(source[start..source.IndexOf("// Guide ends", start, StringComparison.Ordinal)]));
    }

    private static string Normal(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));
}
