using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>lr-find, tune and --log on a small network, through the command line.</summary>
[TestClass]
public sealed class RecipeCommandTests
{
    private static string[] Small =>
        [.. SmallTask.Backbone, "--freeze", "block:1", "--augment", "none", "--batch", "4"];

    [TestMethod]
    public void LrFind_FewImages_SuggestsARateAndDrawsIt()
    {
        using TempFolder folder = new();
        string data = SmallTask.Images(folder, 8);
        CliResult result = Cli.Run([
            "lr-find",
            data,
            "--steps",
            "12",
            "--output",
            folder.File("lr.svg"),
            .. Small,
            "--json",
        ]);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement[] points = [.. result.Json.GetProperty("points").EnumerateArray()];
        Assert.AreEqual(1e-6, points[0].GetProperty("rate").GetDouble(), 1e-12);
        Assert.AreEqual(
            0,
            points[0].GetProperty("change").GetDouble(),
            1e-5,
            "nothing was changed before the first step"
        );
        StringAssert.Contains(File.ReadAllText(folder.File("lr.svg")), "<polyline");

        CliResult head = Cli.Run("lr-find", data, "--strategy", "head");
        Assert.AreEqual(ExitCode.Usage, head.Code, head.ToString());
        CliResult wrong = Cli.Run("lr-find", data, "--from", "0.1", "--to", "0.01");
        Assert.AreEqual(ExitCode.Failed, wrong.Code, wrong.ToString());
        StringAssert.Contains(wrong.Error, "must be above the lowest");
        Assert.AreEqual(ExitCode.Usage, Cli.Run("lr-find", data, "--output", "lr.png").Code);
    }

    [TestMethod]
    public void Tune_InterruptedByItsBudgetThenResumed_TriesEachRecipeOnce()
    {
        using TempFolder folder = new();
        string data = SmallTask.Images(folder, 10);
        string[] search =
        [
            "tune",
            data,
            "--output",
            folder.File("search"),
            "--trials",
            "3",
            "--epochs",
            "3",
            .. Small,
            "--json",
        ];
        CliResult first = Cli.Run([.. search, "--time-budget", "0.001s"]);
        Assert.AreEqual(ExitCode.Done, first.Code, first.ToString());
        string[] begun = File.ReadAllLines(folder.File("search/trials.jsonl"));
        Assert.AreEqual(0, first.Json.GetProperty("best").GetInt32(), "the defaults are always tried");
        CliResult whole = Cli.Run([.. search, "--resume"]);
        Assert.AreEqual(ExitCode.Done, whole.Code, whole.ToString());
        string[] lines = File.ReadAllLines(folder.File("search/trials.jsonl"));
        CollectionAssert.AreEqual(begun, lines[..begun.Length], "what was tried is not tried again");
        Assert.HasCount(4, lines, "three recipes for an epoch, the best of them for three");
        JsonElement[] trials = [.. whole.Json.GetProperty("trials").EnumerateArray()];
        Assert.AreEqual(3, trials[0].GetProperty("epochs").GetInt32());
        Assert.AreEqual(
            trials[0].GetProperty("trial").GetInt32(),
            whole.Json.GetProperty("best").GetInt32(),
            "only trials with all epochs are compared in the end"
        );
        Assert.IsTrue(
            trials.All(t => t.GetProperty("freeze").GetString() == "block:1"),
            "what is given is not searched"
        );
    }

    [TestMethod]
    public void Train_Log_WritesCsvAndEventsAndIsRefusedForAHead()
    {
        using TempFolder folder = new();
        string data = SmallTask.Images(folder, 8);
        string[] run = ["train", data, "--output", folder.File("out"), "--folds", "2", "--log", "csv,tensorboard"];
        CliResult head = Cli.Run(run);
        Assert.AreEqual(ExitCode.Usage, head.Code, head.ToString());
        StringAssert.Contains(head.Error, "--log has no effect here");
        CliResult tuned = Cli.Run([.. run, "--strategy", "finetune", "--epochs", "1", "--no-report", .. Small]);
        Assert.AreEqual(ExitCode.Done, tuned.Code, tuned.ToString());
        Assert.HasCount(
            File.ReadAllLines(folder.File("out/metrics.jsonl")).Length + 1,
            File.ReadAllLines(folder.File("out/metrics.csv"))
        );
        foreach (string fold in (string[])["fold-0", "fold-1", "fold-2"])
            Assert.HasCount(1, Directory.GetFiles(folder.File($"out/logs/{fold}"), "events.out.tfevents.*"));
    }
}
