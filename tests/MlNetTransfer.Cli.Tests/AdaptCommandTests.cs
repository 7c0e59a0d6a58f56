using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class AdaptCommandTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void Adapt_OtherImages_SaysWhatWasTakenAndWhatIsNext()
    {
        string source = SmallTask.Images(folder, 12);
        CliResult result = Cli.Run([
            "adapt",
            "--source",
            source,
            "--target",
            source,
            "--output",
            folder.File("out"),
            .. SmallTask.Backbone,
        ]);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.StartsWith(result.Output, "Not adapted: ");
        StringAssert.Contains(result.Output, "none  (taken)");
        StringAssert.Contains(result.Output.ReplaceLineEndings(" "), "Next: label some of the target's images");
        Assert.IsTrue(File.Exists(folder.File("out/model.onnx")));

        CliResult json = Cli.Run([
            "adapt",
            "--source",
            source,
            "--target",
            source,
            "--output",
            folder.File("out"),
            "--method",
            "coral",
            "--score-target",
            "--json",
            .. SmallTask.Backbone,
        ]);
        Assert.AreEqual(ExitCode.Done, json.Code, json.ToString());
        JsonElement taken = json
            .Json.GetProperty("trials")
            .EnumerateArray()
            .Single(trial => trial.GetProperty("taken").GetBoolean());
        Assert.AreEqual("coral", taken.GetProperty("method").GetString());
        Assert.IsGreaterThan(0.5, json.Json.GetProperty("judged").GetProperty("accuracy").GetDouble());
    }

    [TestMethod]
    [DataRow("--method", "best", "must be")]
    [DataRow("--target", "", "--target")]
    [DataRow("--source", "nowhere", "does not exist")]
    [DataRow("--target", "nowhere", "does not exist")]
    public void Adapt_BadInput_SaysWhatIsWrong(string flag, string value, string expected)
    {
        string images = SmallTask.Images(folder, 4);
        var given = new Dictionary<string, string>
        {
            ["--source"] = images,
            ["--target"] = images,
            ["--output"] = folder.File("out"),
            [flag] = value,
        };
        CliResult result = Cli.Run(["adapt", .. given.SelectMany(pair => new[] { pair.Key, pair.Value })]);
        Assert.AreNotEqual(ExitCode.Done, result.Code);
        StringAssert.Contains(result.Error, expected);
        Assert.IsFalse(Directory.Exists(folder.File("out")));
    }
}
