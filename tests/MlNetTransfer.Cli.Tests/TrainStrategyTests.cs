using System.Diagnostics;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class TrainStrategyTests
{
    private const int Epochs = 30;

    private static string[] Head => [.. SmallTask.Backbone, "--head", "ridge", "--test-fraction", "0.2", "--json"];

    private static string[] Quick =>
        [
            .. Head,
            "--strategy",
            "finetune",
            "--freeze",
            "block:1",
            "--epochs",
            $"{Epochs}",
            "--patience",
            $"{Epochs}",
            "--augment",
            "none",
        ];

    [TestMethod]
    public void Train_KilledInAnEpochThenResumed_GivesTheSameModel()
    {
        using TempFolder folder = new();
        string data = SmallTask.Images(folder, 60);
        CliResult whole = Cli.Run(["train", data, "--output", folder.File("whole"), .. Quick]);
        Assert.AreEqual(ExitCode.Done, whole.Code, whole.ToString());

        string[] again = ["train", data, "--output", folder.File("broken"), .. Quick];
        using (Process process = Cli.Start(again))
        {
            // A checkpoint shows that an epoch is over; the next has then begun.
            string checkpoint = folder.File("broken/checkpoints/fold-0.safetensors");
            for (int i = 0; i < 12000 && !File.Exists(checkpoint) && !process.HasExited; i++)
                Thread.Sleep(10);
            Assert.IsFalse(process.HasExited, "it is killed in the middle");
            process.Kill();
            process.WaitForExit();
        }

        CliResult resumed = Cli.Run([.. again, "--resume"]);
        Assert.AreEqual(ExitCode.Done, resumed.Code, resumed.ToString());
        CollectionAssert.AreEqual(
            File.ReadAllBytes(folder.File("whole/model.onnx")),
            File.ReadAllBytes(folder.File("broken/model.onnx"))
        );
        Beside(resumed.Json, data, folder);
        JsonElement training = resumed.Json.GetProperty("training");
        Assert.AreEqual(Epochs, training.GetProperty("epochs").GetInt32());
        CollectionAssert.AreEqual(Metrics(folder.File("whole")), Metrics(folder.File("broken")));

        CliResult predicted = Cli.Run(
            "predict",
            folder.File("whole/model.onnx"),
            Path.Combine(data, "down/000.bmp"),
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, predicted.Code, predicted.ToString());
    }

    /// <summary>
    /// Oracle: runs of each strategy alone, and the file of the head, byte for byte, where there is no time for more.
    /// </summary>
    [TestMethod]
    public void Train_Auto_KeepsTheHeadUnlessATrainingIsBetter()
    {
        using TempFolder folder = new();
        string data = SmallTask.Images(folder, 10);
        string[] common = [.. SmallTask.Backbone, "--head", "ridge", "--folds", "2", "--json"],
            tuning = ["--freeze", "block:1", "--epochs", "1", "--augment", "none"];
        JsonElement Train(string output, params string[] args)
        {
            CliResult result = Cli.Run(["train", data, "--output", folder.File(output), .. common, .. args]);
            Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
            return result.Json;
        }

        JsonElement head = Train("head"),
            tuned = Train("tuned", ["--strategy", "finetune", .. tuning]),
            auto = Train("auto", ["--strategy", "auto", .. tuning]),
            hurried = Train("hurried", ["--strategy", "auto", "--time-budget", "0.001s", .. tuning]);
        JsonElement[] ways = [.. auto.GetProperty("strategies").EnumerateArray()];
        CollectionAssert.AreEqual(
            (string[])["head", "finetune"],
            ways.Select(way => way.GetProperty("strategy").GetString()).ToArray()
        );
        Assert.AreEqual(head.GetProperty("logLoss").GetDouble(), ways[0].GetProperty("logLoss").GetDouble(), 1e-12);
        Assert.AreEqual(tuned.GetProperty("logLoss").GetDouble(), ways[1].GetProperty("logLoss").GetDouble(), 1e-12);
        string taken = auto.GetProperty("strategy").GetString()!;
        Assert.AreEqual(
            (taken == "head" ? head : tuned).GetProperty("modelSha256").GetString(),
            auto.GetProperty("modelSha256").GetString()
        );
        Assert.AreEqual(head.GetProperty("modelSha256").GetString(), hurried.GetProperty("modelSha256").GetString());
        StringAssert.Contains(hurried.GetProperty("notes").ToString(), "'finetune' was not tried to the end");
    }

    /// <summary>The epochs without the time that they took, which stands last.</summary>
    private static string[] Metrics(string output) =>
        [.. File.ReadAllLines(Path.Combine(output, "metrics.jsonl")).Select(line => line[..line.LastIndexOf(',')])];

    /// <summary>
    /// Oracle: a run of the head alone by the same split, and the images that each of the two gets right.
    /// </summary>
    private static void Beside(JsonElement tuned, string data, TempFolder folder)
    {
        CliResult head = Cli.Run(["train", data, "--output", folder.File("head"), .. Head]);
        Assert.AreEqual(ExitCode.Done, head.Code, head.ToString());
        JsonElement frozen = tuned.GetProperty("frozen");
        double alone = head.Json.GetProperty("accuracy").GetDouble();
        Assert.AreEqual(alone, frozen.GetProperty("accuracy").GetDouble());
        Assert.AreEqual(head.Json.GetProperty("logLoss").GetDouble(), frozen.GetProperty("logLoss").GetDouble());
        Assert.AreEqual(
            tuned.GetProperty("accuracy").GetDouble() - alone,
            frozen.GetProperty("gain").GetDouble(),
            1e-12
        );
        double[] interval = [.. frozen.GetProperty("gainInterval").EnumerateArray().Select(e => e.GetDouble())];
        Assert.IsTrue(interval[0] <= frozen.GetProperty("gain").GetDouble());
        Assert.IsTrue(interval[1] >= frozen.GetProperty("gain").GetDouble());
    }

    [TestMethod]
    [DataRow("--epochs", "--epochs", "3")]
    [DataRow("--lr", "--lr", "0.001")]
    [DataRow("--augment", "--augment", "strong")]
    [DataRow("--batch", "--batch", "16")]
    [DataRow("--resume", "--resume")]
    [DataRow("--l2", "--l2", "0.1", "--head", "ridge")]
    [DataRow("--l2", "--l2", "0.1")]
    [DataRow("--test-fraction", "--folds", "5", "--test-fraction", "0.2")]
    [DataRow("--head", "--strategy", "scratch", "--head", "ridge")]
    [DataRow("--init", "--strategy", "scratch", "--init", "w.safetensors")]
    [DataRow("--micro-batch", "--strategy", "finetune", "--micro-batch", "16")]
    [DataRow("--tap", "--tap", "a", "--taps", "a,b")]
    [DataRow("--preset", "--preset", "best")]
    [DataRow("--thresholds", "--strategy", "finetune", "--thresholds", "macrof1")]
    [DataRow("--tta", "--strategy", "full", "--tta", "flip")]
    public void Train_OptionWithoutEffect_IsAnErrorThatNamesIt(string option, params string[] args)
    {
        CliResult result = Cli.Run(["train", Cli.Samples, "--output", "never-written", .. args]);
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.StartsWith(result.Error, $"error: {option} ");
        Assert.IsFalse(Directory.Exists("never-written"));
    }

    [TestMethod]
    [DataRow("--freeze", "1.5", "block:N")]
    [DataRow("--time-budget", "10", "90s, 10m or 2h")]
    [DataRow("--epochs", "0", "from 1 to")]
    [DataRow("--lr", "-1", "from 1E-12 to")]
    public void Train_WrongOption_SaysWhatIsExpected(string option, string value, string expected)
    {
        CliResult result = Cli.Run("train", Cli.Samples, option, value);
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.Contains(result.Error, expected);
    }
}
