using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class PredictCommandTests
{
    [TestMethod]
    public void Predict_FileAndFolder_ListsTheLikeliestClassesFalling()
    {
        string file = Path.Combine(Cli.Samples, "fruit", "banana.png");
        CliResult result = Cli.Run(
            "predict",
            Trained.Model,
            file,
            Path.Combine(Cli.Samples, "bird"),
            "--top",
            "2",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement[] predictions = [.. result.Json.GetProperty("predictions").EnumerateArray()];
        Assert.HasCount(1 + Directory.GetFiles(Path.Combine(Cli.Samples, "bird")).Length, predictions);
        Assert.AreEqual(file, predictions[0].GetProperty("file").GetString());
        foreach (JsonElement prediction in predictions)
        {
            JsonElement[] top = [.. prediction.GetProperty("top").EnumerateArray()];
            Assert.HasCount(2, top);
            Assert.AreEqual(prediction.GetProperty("label").GetString(), top[0].GetProperty("label").GetString());
            Assert.AreEqual(
                prediction.GetProperty("probability").GetDouble(),
                top[0].GetProperty("probability").GetDouble()
            );
            Assert.IsGreaterThanOrEqualTo(
                top[1].GetProperty("probability").GetDouble(),
                top[0].GetProperty("probability").GetDouble()
            );
        }

        Assert.IsGreaterThan(
            predictions.Length / 2,
            predictions.Count(p => p.GetProperty("label").GetString() == "bird")
        );
    }

    [TestMethod]
    public void Predict_SomeImagesBad_ScoresTheOthersAndListsWhy()
    {
        using var folder = new TempFolder();
        File.Copy(Path.Combine(Cli.Samples, "fruit", "banana.png"), folder.File("good ürbis.png"));
        folder.Write("text.jpg", "This is no picture."u8.ToArray());
        folder.Write("zero.png", []);
        folder.Write("huge.png", HugePng.Make(14_000, 12_000));
        byte[] whole = File.ReadAllBytes(Path.Combine(Cli.Samples, "fruit", "banana.png"));
        folder.Write("cut.png", whole[..(whole.Length / 2)]);
        CliResult result = Cli.Run("predict", Trained.Model, folder.Path, folder.File("missing.png"), "--json");
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        Assert.AreEqual(1, result.Json.GetProperty("predictions").GetArrayLength());
        Dictionary<string, string> reasons = result
            .Json.GetProperty("rejected")
            .EnumerateArray()
            .ToDictionary(
                r => Path.GetFileName(r.GetProperty("file").GetString()!),
                r => r.GetProperty("reason").GetString()!
            );
        CollectionAssert.AreEquivalent(
            new[] { "text.jpg", "zero.png", "huge.png", "cut.png", "missing.png" },
            reasons.Keys
        );
        StringAssert.Contains(reasons["text.jpg"], "not an image");
        StringAssert.Contains(reasons["zero.png"], "empty");
        StringAssert.Contains(reasons["huge.png"], "megapixels");
        StringAssert.Contains(reasons["cut.png"], "truncated");
        StringAssert.Contains(reasons["missing.png"], "exist");
    }

    [TestMethod]
    public void Predict_ModelThatIsNotOnnx_NamesTheFile()
    {
        using var folder = new TempFolder();
        string model = folder.Write("model.onnx", "hello"u8.ToArray());
        CliResult result = Cli.Run("predict", model, Cli.Samples, "--json");
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, model);
        StringAssert.Contains(result.Json.GetProperty("error").GetProperty("message").GetString(), model);
    }

    [TestMethod]
    public void Predict_OnnxWithoutOurMetadata_SaysWhatToUse()
    {
        using var folder = new TempFolder();
        var foreign = Onnx.OnnxModel.Load(Trained.Model);
        foreach (string key in foreign.Metadata.Keys)
            foreign = foreign.WithMetadata(key, null);
        string model = folder.File("foreign.onnx");
        foreign.Save(model);
        CliResult result = Cli.Run("predict", model, Cli.Samples);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "foreign.onnx");
        StringAssert.Contains(result.Error, "mlnet-transfer train");
    }

    [TestMethod]
    public void Predict_Table_ShowsFileAndLabel()
    {
        CliResult result = Cli.Run("predict", Trained.Model, Path.Combine(Cli.Samples, "fruit", "banana.png"));
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "banana.png");
        StringAssert.Contains(result.Output, "fruit");
    }
}
