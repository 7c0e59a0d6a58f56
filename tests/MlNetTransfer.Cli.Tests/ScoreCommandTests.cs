using System.Diagnostics;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>A batch on the command line: its rows, its words, and what a kill leaves.</summary>
[TestClass]
public sealed class ScoreCommandTests
{
    [TestMethod]
    public void Score_ABatch_SaysWhatBecameOfIt()
    {
        using var folder = new TempFolder();
        folder.Write("in/text.jpg", "This is no picture."u8.ToArray());
        File.Copy(Path.Combine(Cli.Samples, "fruit", "banana.png"), folder.File("in/banana.png"));
        string output = folder.File("out.jsonl");
        CliResult result = Cli.Run("score", Trained.Model, folder.File("in"), "--output", output, "--top", "2");
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "2 rows in");
        StringAssert.Contains(result.Output, "text.jpg: not an image");
        JsonElement banana = JsonElement.Parse(File.ReadLines(output).First());
        Assert.AreEqual("banana.png", banana.GetProperty("file").GetString());
        Assert.AreEqual("fruit", banana.GetProperty("prediction").GetString());
        Assert.AreNotEqual("fruit", banana.GetProperty("prediction_2").GetString());
        CliResult again = Cli.Run("score", Trained.Model, folder.File("in"), "--output", output, "--top", "2");
        StringAssert.Contains(again.Output, "Nothing to do");
        CliResult other = Cli.Run("score", Trained.Model, folder.File("in"), "--output", output, "--json");
        Assert.AreEqual(ExitCode.Failed, other.Code);
        StringAssert.Contains(
            other.Json.GetProperty("error").GetProperty("message").GetString(),
            "is of another batch: columns '' instead of 'prediction_2, probability_2'"
        );
    }

    [TestMethod]
    public void Score_TwoModelsAndFeatures_SaysWhatWasSaved()
    {
        using var folder = new TempFolder();
        folder.Write("in/text.jpg", "This is no picture."u8.ToArray());
        File.Copy(Path.Combine(Cli.Samples, "fruit", "banana.png"), folder.File("in/banana.png"));
        string output = folder.File("out.npy");
        CliResult result = Cli.Run([
            "score",
            Trained.Model,
            folder.File("in"),
            "--output",
            output,
            "--features",
            "--also",
            $"b={Trained.Model}",
        ]);
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "ran once: 50 % less work than a run for each");
        Assert.IsTrue(File.ReadLines(folder.File("out.csv")).First().Contains(",b_prediction,b_probability,"));
        CollectionAssert.AreEqual("NUMPY"u8.ToArray(), File.ReadAllBytes(output)[1..6]);
    }

    [TestMethod]
    [DataRow("--also", "model.onnx", "expected NAME=FILE")]
    [DataRow("--shard", "6/5", "'6/5' is no shard; expected e.g. 2/5")]
    [DataRow("--table", "a b", "expected at most 60 letters, digits, underscores")]
    [DataRow("--limit", "0", "must be")]
    public void Score_OptionOutOfRange_SaysWhatIsExpected(string option, string value, string said)
    {
        CliResult result = Cli.Run("score", "model.onnx", "in", "--output", "out.csv", option, value);
        Assert.AreEqual(ExitCode.Usage, result.Code);
        StringAssert.Contains(result.Error, said);
    }

    [TestMethod]
    public void Score_KilledAgainAndAgain_HasEveryRowOnce()
    {
        using var folder = new TempFolder();
        string[] images = [.. Directory.GetFiles(Cli.Samples, "*.png", SearchOption.AllDirectories).Take(20)];
        string list = folder.File("list.csv"),
            output = folder.File("out.csv"),
            whole = folder.File("whole.csv");
        File.WriteAllLines(list, ["path,n", .. Enumerable.Range(0, 60).Select(i => $"{images[i % 20]},{i}")]);
        int killed = 0;
        for (int rows = 6; rows < 40; rows += 9)
        {
            using Process process = Cli.Start("score", Trained.Model, list, "--output", output, "--rate-limit", "6");
            string ledger = Path.Combine(output + ".scoring", "rows");
            while (!process.HasExited && !(File.Exists(ledger) && File.ReadLines(ledger).Count() > rows))
                Thread.Sleep(50);
            process.Kill();
            process.WaitForExit();
            killed++;
        }

        Assert.IsFalse(File.Exists(output), "what is not complete has not the name");
        CliResult ended = Cli.Run("score", Trained.Model, list, "--output", output);
        Assert.AreEqual(ExitCode.Done, ended.Code, ended.ToString());
        StringAssert.Contains(ended.Output, "of them an earlier run had written");
        Cli.Run("score", Trained.Model, list, "--output", whole);
        CollectionAssert.AreEqual(File.ReadAllBytes(whole), File.ReadAllBytes(output));
        Assert.AreEqual(61, File.ReadLines(output).Count());
        Assert.AreEqual(4, killed);
    }
}
