using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Trainings that several workers share: what comes of them is what one process makes alone.</summary>
[TestClass]
public sealed class ClusterTrainingTests
{
    /// <summary>A worker that dies leaves its trial to the others; all find what one process finds alone.</summary>
    [TestMethod]
    public void Tune_OnWorkersThatDie_FindsWhatOneProcessFinds()
    {
        using PostgresServer server = PostgresServer.Begin(Assert.Inconclusive);
        using var folder = new TempFolder();
        string trials = folder.File("together/trials.jsonl");
        string[] search =
        [
            SmallTask.Images(folder, 40),
            .. SmallTask.Backbone,
            "--trials",
            "4",
            "--epochs",
            "6",
            "--json",
        ];
        CliResult alone = Cli.Run(["tune", .. search, "--output", folder.File("alone")]);
        Assert.AreEqual(ExitCode.Done, alone.Code, alone.ToString());
        // Written in another way, they are the same.
        search[0] += Path.DirectorySeparatorChar;
        string[] placed = [.. search, "--output", folder.File("together")];
        CliResult submitted = Cli.Run(["submit", "tune", .. placed, "--shards", "2", "--store", server.Address]);
        Assert.AreEqual(ExitCode.Done, submitted.Code, submitted.ToString());
        string id = submitted.Json.GetProperty("id").GetString()!;
        WorkAlthoughOneDies(server, id, () => File.Exists(trials));
        string[] tried = File.ReadAllLines(trials);
        CliResult together = Cli.Run(["tune", .. placed, "--together"]);
        Assert.AreEqual(ExitCode.Done, together.Code, together.ToString());
        CollectionAssert.AreEqual(tried, File.ReadAllLines(trials), "nothing is tried again");
        CollectionAssert.AreEqual(Losses(alone), Losses(together));
        Assert.HasCount(tried.Length, Losses(alone));
        Assert.AreEqual(alone.Json.GetProperty("best").GetInt32(), together.Json.GetProperty("best").GetInt32());
        CliResult hurried = Cli.Run(["tune", .. placed, "--together", "--time-budget", "1m"]);
        Assert.AreEqual(ExitCode.Failed, hurried.Code);
        StringAssert.Contains(hurried.Error, "--time-budget has no effect on a search together");
        // As a process that searches along has it open.
        using (
            new FileStream(folder.File("together/together.lock"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
        )
            StringAssert.Contains(Cli.Run(["tune", .. placed]).Error, "other processes search there together");
        string[] other = [.. placed, "--together", "--seed", "2"];
        StringAssert.Contains(Cli.Run(["tune", .. other]).Error, "has the trials of another search");
        CliResult none = Cli.Run(["submit", "tune", .. placed, "--shards", "0", "--store", server.Address]);
        Assert.AreEqual(ExitCode.Usage, none.Code, none.ToString());

        static string[] Losses(CliResult result) =>
            [
                .. result
                    .Json.GetProperty("trials")
                    .EnumerateArray()
                    .Select(t => $"{t.GetProperty("trial")} {t.GetProperty("epochs")} {t.GetProperty("logLoss")}"),
            ];
    }

    [TestMethod]
    public void Run_WithFoldsOnWorkersThatDie_GivesTheModelOfOne()
    {
        using PostgresServer server = PostgresServer.Begin(Assert.Inconclusive);
        using var folder = new TempFolder();
        string job = folder.File("job.yaml"),
            shared = folder.File("shared");
        File.WriteAllText(
            job,
            $$"""
            version: 1
            train:
              folder: {{SmallTask.Images(folder, 30)}}
              backbone: {{SmallTask.Backbone[1]}}
              folds: 3
              strategy: finetune
              fineTune: { freeze: "block:1", learningRate: 0.003, epochs: 4, patience: 4, augmentation: none }
            """
        );
        CliResult alone = Cli.Run("run", job, "--output", folder.File("alone"), "--no-report", "--json");
        Assert.AreEqual(ExitCode.Done, alone.Code, alone.ToString());
        CliResult submitted = Cli.Run(
            "submit",
            "run",
            job,
            "--output",
            shared,
            "--shards",
            "2",
            "--store",
            server.Address,
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, submitted.Code, submitted.ToString());
        string id = submitted.Json.GetProperty("id").GetString()!;
        string checkpoints = Path.Combine(shared, "checkpoints");
        WorkAlthoughOneDies(
            server,
            id,
            () => Directory.Exists(checkpoints) && Directory.GetFiles(checkpoints, "*.done").Length > 0
        );
        CollectionAssert.AreEqual(
            File.ReadAllBytes(folder.File("alone/model.onnx")),
            File.ReadAllBytes(Path.Combine(shared, "model.onnx"))
        );
        Assert.IsFalse(Directory.Exists(Path.Combine(shared, "checkpoints")));
        CliResult nothing = Cli.Run("run", job, "--output", shared, "--folds-only");
        StringAssert.StartsWith(nothing.Output, "0 trainings were done here");
        Assert.AreEqual(ExitCode.Usage, Cli.Run("run", job, "--folds-only").Code);
    }

    /// <summary>Two workers do a job; once something is done, one is killed and another one comes.</summary>
    private static void WorkAlthoughOneDies(PostgresServer server, string id, Func<bool> hasBegun)
    {
        List<WorkerProcess> workers = [.. Enumerable.Range(0, 2).Select(_ => new WorkerProcess(server.Address))];
        try
        {
            WorkerProcess.WaitFor(hasBegun, workers);
            workers[0].Kill();
            workers.Add(new WorkerProcess(server.Address));
            CliResult ended = Cli.Run("jobs", "wait", id, "--store", server.Address, "--json");
            Assert.AreEqual(ExitCode.Done, ended.Code, $"{ended}\n{WorkerProcess.SaidBy(workers)}");
        }
        finally
        {
            workers.ForEach(worker => worker.Dispose());
        }
    }
}
