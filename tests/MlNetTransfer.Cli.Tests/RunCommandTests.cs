using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Job files on the command line: from a folder, from Model Builder, to a run and its exit code.</summary>
[TestClass]
public sealed class RunCommandTests
{
    [TestMethod]
    public void NewJob_ThenRun_SaysWhetherTheGatesHold()
    {
        using var folder = new TempFolder();
        string job = folder.File("job.yaml");
        CliResult made = Cli.Run("new-job", Cli.Samples, "--output", job);
        Assert.AreEqual(ExitCode.Done, made.Code, made.ToString());
        StringAssert.Contains(made.Output, "Next: mlnet-transfer run");
        CliResult check = Cli.Run("run", job, "--check");
        StringAssert.Contains(check.Output, "can be run: head on");
        CliResult run = Cli.Run("run", job, "--output", folder.File("one"), "--no-report");
        Assert.AreEqual(ExitCode.Done, run.Code, run.ToString());
        StringAssert.StartsWith(run.Output, "The model passes.");
        File.AppendAllText(job, "\n");
        File.WriteAllText(
            job,
            File.ReadAllText(job).Replace("# minAccuracy: 0.8", "minAccuracy: 0.99", StringComparison.Ordinal)
        );
        CliResult failed = Cli.Run("run", job, "--output", folder.File("two"), "--json");
        Assert.AreEqual(ExitCode.GateFailed, failed.Code, failed.ToString());
        Assert.IsFalse(failed.Json.GetProperty("holds").GetBoolean());
        Assert.IsTrue(File.Exists(folder.File("two/report.html")));
        CollectionAssert.AreEqual(
            File.ReadAllBytes(folder.File("one/model.onnx")),
            File.ReadAllBytes(folder.File("two/model.onnx"))
        );
    }

    [TestMethod]
    public void Run_AJobThatIsWrong_NamesTheLine()
    {
        using var folder = new TempFolder();
        string job = folder.File("job.yaml");
        File.WriteAllText(job, "version: 1\ntrain:\n  folder: images\n  backbones: resnet18\n");
        CliResult result = Cli.Run("run", job, "--check", "--json");
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(
            result.Json.GetProperty("error").GetProperty("message").GetString(),
            $"{job}(4): 'train.backbones' is \"resnet18\"; expected a list of texts."
        );
        File.WriteAllText(job, "version: 1\ntrain:\n  folder: images\n  fineTune: { epochs: 3 }\n");
        StringAssert.Contains(Cli.Run("run", job, "--check").Error, "--strategy");
    }

    [TestMethod]
    public void Schedule_EverySecondTwice_RunsTwiceInFoldersOfTheirOwn()
    {
        using var folder = new TempFolder();
        string job = folder.File("nightly.yaml");
        File.WriteAllText(
            job,
            $"version: 1\ntrain:\n  folder: {Cli.Samples}\n  testFraction: 0.5\ngates:\n  minAccuracy: 0.999\n"
        );
        string[] every = ["schedule", job, "--output", folder.File("runs"), "--times", "2", "--time-zone", "UTC"];
        CliResult result = Cli.Run([.. every, "--cron", "* * * * * *"]);
        Assert.AreEqual(ExitCode.GateFailed, result.Code, result.ToString());
        string[] runs = Directory.GetDirectories(folder.File("runs"), "nightly-*");
        Assert.HasCount(2, runs);
        CollectionAssert.AreEqual(
            File.ReadAllBytes(Path.Combine(runs[0], "model.onnx")),
            File.ReadAllBytes(Path.Combine(runs[1], "model.onnx"))
        );
        CliResult wrong = Cli.Run([.. every, "--cron", "at two"]);
        Assert.AreEqual(ExitCode.Usage, wrong.Code);
        StringAssert.Contains(wrong.Error, "--cron is 'at two'; expected five fields");
    }

    [TestMethod]
    public void ImportMbconfig_OfModelBuilder_RunsAsAJob()
    {
        using var folder = new TempFolder();
        string config = folder.File("Flowers.mbconfig"),
            job = folder.File("job.yaml");
        File.WriteAllText(
            config,
            """
            {
              "Scenario": "ImageClassification",
              "DataSource": { "Type": "Folder", "Version": 1, "FolderPath": "C:\\Users\\me\\Pictures" },
              "Environment": { "Type": "LocalCPU", "Version": 1 },
              "Type": "TrainingConfig", "Version": 2
            }
            """
        );
        CliResult missing = Cli.Run("import-mbconfig", config, "--output", job);
        Assert.AreEqual(ExitCode.Failed, missing.Code);
        StringAssert.Contains(missing.Error, "--folder DIR");
        CliResult made = Cli.Run("import-mbconfig", config, "--folder", Cli.Samples, "--output", job);
        Assert.AreEqual(ExitCode.Done, made.Code, made.ToString());
        StringAssert.Contains(made.Output, "Converted from Flowers.mbconfig.");
        CliResult run = Cli.Run("run", job, "--output", folder.File("run"), "--no-report", "--json");
        Assert.AreEqual(ExitCode.Done, run.Code, run.ToString());
        Assert.IsGreaterThan(0.7, run.Json.GetProperty("accuracy").GetDouble());
    }

    [TestMethod]
    public void Generate_IntoAFolderThatIsNotEmpty_ChangesNothing()
    {
        using var folder = new TempFolder();
        folder.Write("there/Program.cs", "mine"u8.ToArray());
        CliResult result = Cli.Run("generate", "console", Trained.Model, "--output", folder.File("there"));
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "is not empty");
        CliResult name = Cli.Run("generate", "console", "m.onnx", "--output", "x", "--name", "1 project");
        Assert.AreEqual(ExitCode.Usage, name.Code);
        StringAssert.Contains(name.Error, "expected a name of C#");
    }
}
