using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class EvaluateCommandTests
{
    [TestMethod]
    public void Evaluate_WholeSamples_CountsEveryImage()
    {
        CliResult result = Cli.Run("evaluate", Trained.Model, Cli.Samples, "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(157, result.Json.GetProperty("images").GetInt32());
        Assert.AreEqual(157, result.Json.GetProperty("confusion").EnumerateArray().Sum(r => r.EnumerateArray().Sum(c => c.GetInt32())));
        Assert.IsGreaterThan(Trained.Result.Json.GetProperty("accuracy").GetDouble() - 0.05, result.Json.GetProperty("accuracy").GetDouble(), "Training images are included, so it is hardly lower.");
    }

    [TestMethod]
    public void Evaluate_FolderWithAClassTheModelDoesNotKnow_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("submarine/1.png", [1]);
        folder.Write("bird/1.png", [1]);
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "'submarine'");
    }

    [TestMethod]
    public void Evaluate_OnlySomeClasses_KeepsTheModelsLabels()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("fruit"));
        File.Copy(Path.Combine(Cli.Samples, "fruit", "banana.png"), folder.File("fruit/banana.png"));
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path, "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(8, result.Json.GetProperty("classes").GetInt32());
        Assert.AreEqual(1, result.Json.GetProperty("perClass").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "fruit").GetProperty("support").GetInt32());
    }

    [TestMethod]
    public void Evaluate_NoUsableImage_Fails()
    {
        using var folder = new TempFolder();
        folder.Write("bird/1.png", [1]);
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "bird/1.png");
    }
}
