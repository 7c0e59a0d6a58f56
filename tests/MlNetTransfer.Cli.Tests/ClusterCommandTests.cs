using System.Globalization;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Workers as processes of their own, which die, over a server that dies: no row is lost, none doubled.</summary>
[TestClass]
public sealed class ClusterCommandTests
{
    private const int Rows = 60;

    [TestMethod]
    public void Work_WorkersAndServerDie_TheTableIsThatOfAnUndisturbedRun()
    {
        using PostgresServer server = PostgresServer.Begin(Assert.Inconclusive);
        using var folder = new TempFolder();
        string list = List(folder);
        CliResult whole = Cli.Run("score", Trained.Model, list, "--output", server.Address, "--table", "whole");
        Assert.AreEqual(ExitCode.Done, whole.Code, whole.ToString());
        CliResult submitted = Cli.Run(
            "submit",
            "score",
            Trained.Model,
            list,
            "--output",
            server.Address,
            "--table",
            "clustered",
            "--rate-limit",
            "5",
            "--shards",
            "4",
            "--store",
            server.Address,
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, submitted.Code, submitted.ToString());
        string id = submitted.Json.GetProperty("id").GetString()!;
        List<WorkerProcess> workers = [.. Enumerable.Range(0, 3).Select(_ => new WorkerProcess(server.Address))];
        try
        {
            // Three shards are with workers now, each in its middle.
            WorkerProcess.WaitFor(() => Count(server, "clustered") > 0, workers);
            Kill(0);
            WorkerProcess.WaitFor(() => Count(server, "clustered") > 15, workers);
            server.Kill();
            Thread.Sleep(500);
            server.Start();
            Kill(1);
            workers.Add(new WorkerProcess(server.Address));
            CliResult ended = Cli.Run("jobs", "wait", id, "--store", server.Address, "--json");
            Assert.AreEqual(ExitCode.Done, ended.Code, $"{ended}\n{WorkerProcess.SaidBy(workers)}");
            Assert.AreEqual("done", ended.Json.GetProperty("state").GetString());
            Assert.AreEqual(Rows, ended.Json.GetProperty("rows").GetInt64());
            Assert.AreEqual(Rows, Count(server, "clustered"));
            Assert.AreEqual(
                0L,
                server.Scalar("SELECT COUNT(*) FROM (TABLE whole EXCEPT ALL TABLE clustered) AS missing"),
                "row for row"
            );
            workers[2].Terminate();
            Assert.Contains("Ending:", workers[2].Said);
        }
        finally
        {
            workers.ForEach(worker => worker.Dispose());
        }

        void Kill(int worker) => workers[worker].Kill();
    }

    /// <summary>Every worker fetches the model for itself.</summary>
    [TestMethod]
    [DoNotParallelize]
    public void Work_ModelOfARegistryInADatabase_IsFetchedByEachWorker()
    {
        using PostgresServer server = PostgresServer.Begin(Assert.Inconclusive);
        using var folder = new TempFolder();
        string? before = Environment.GetEnvironmentVariable(ModelRegistry.Variable);
        Environment.SetEnvironmentVariable(ModelRegistry.Variable, server.Address);
        try
        {
            CliResult added = Cli.Run("registry", "add", "clipart", Trained.Model, "--stage", "production");
            Assert.AreEqual(ExitCode.Done, added.Code, added.ToString());
            CliResult submitted = Cli.Run(
                "submit",
                "score",
                "registry:clipart@production",
                List(folder),
                "--output",
                server.Address,
                "--table",
                "fetched",
                "--shards",
                "2",
                "--store",
                server.Address,
                "--json"
            );
            Assert.AreEqual(ExitCode.Done, submitted.Code, submitted.ToString());
            Directory.Delete(DataFolder.For("registry-copies"), recursive: true);
            using var worker = new WorkerProcess(server.Address);
            string id = submitted.Json.GetProperty("id").GetString()!;
            CliResult ended = Cli.Run("jobs", "wait", id, "--store", server.Address, "--json");
            Assert.AreEqual(ExitCode.Done, ended.Code, $"{ended}\n{worker.Said}");
            Assert.AreEqual(Rows, Count(server, "fetched"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(ModelRegistry.Variable, before);
        }
    }

    [TestMethod]
    public void Jobs_OfAStoreInAFile_SayWhatTheyAre()
    {
        using var folder = new TempFolder();
        string store = $"sqlite:{folder.File("store.db")}",
            list = List(folder);
        CliResult none = Cli.Run("jobs", "list", "--store", store);
        StringAssert.Contains(none.Output, "The store has no job.");
        string[] submit =
        [
            "submit",
            "score",
            Trained.Model,
            list,
            "--output",
            folder.File("out.csv"),
            "--shards",
            "2",
            "--store",
            store,
        ];
        CliResult first = Cli.Run(submit),
            second = Cli.Run(submit);
        Assert.AreEqual(ExitCode.Done, first.Code, first.ToString());
        string id = first.Output.Split(' ', ':')[1];
        Assert.AreEqual(ExitCode.Failed, second.Code);
        StringAssert.Contains(second.Error, $"The same job is there already: {id}");
        StringAssert.Contains(Cli.Run("jobs", "list", "--store", store).Output, $"{id}  waiting: 0 of 2 shards done");
        StringAssert.Contains(Cli.Run("jobs", "cancel", id, "--store", store).Output, "is cancelled");
        CliResult cancelled = Cli.Run("jobs", "wait", id, "--store", store, "--json");
        Assert.AreEqual(ExitCode.Failed, cancelled.Code);
        Assert.AreEqual("cancelled", cancelled.Json.GetProperty("state").GetString());
        StringAssert.Contains(Cli.Run("jobs", "retry", id, "--store", store).Output, "has 2 shards back");
        StringAssert.Contains(Cli.Run("jobs", "show", id, "--store", store).Output, "waiting: 0 of 2 shards done");
        StringAssert.Contains(Cli.Run("jobs", "remove", id, "--store", store).Output, "is removed");
        CliResult gone = Cli.Run("jobs", "show", id, "--store", store);
        Assert.AreEqual(ExitCode.Failed, gone.Code);
        StringAssert.Contains(gone.Error, $"There is no job '{id}'");
    }

    /// <summary>An image that takes the process with it must not take every worker, one after the other.</summary>
    [TestMethod]
    public void Work_WorkersDieOverAShardWithoutANewRow_ItIsParked()
    {
        using var folder = new TempFolder();
        string store = $"sqlite:{folder.File("store.db")}",
            output = folder.File("out.csv");
        CliResult submitted = Cli.Run(
            "submit",
            "score",
            Trained.Model,
            List(folder),
            "--output",
            output,
            "--shards",
            "1",
            "--tries",
            "2",
            "--store",
            store,
            "--json"
        );
        string id = submitted.Json.GetProperty("id").GetString()!;
        foreach (string said in (string[])["begins.", "begins, taken over."])
        {
            using var killed = new WorkerProcess(store);
            WorkerProcess.WaitFor(() => killed.Said.Contains(said, StringComparison.Ordinal), [killed]);
            killed.Kill();
        }

        using var worker = new WorkerProcess(store);
        WorkerProcess.WaitFor(
            () => worker.Said.Contains("is parked: 2 workers died", StringComparison.Ordinal),
            [worker]
        );
        CliResult parked = Cli.Run("jobs", "wait", id, "--store", store);
        Assert.AreEqual(ExitCode.Failed, parked.Code, parked.ToString());
        StringAssert.Contains(parked.Output, "parked: 0 of 1 shards done");
        Cli.Run("jobs", "retry", id, "--store", store);
        CliResult done = Cli.Run("jobs", "wait", id, "--store", store);
        Assert.AreEqual(ExitCode.Done, done.Code, $"{done}\n{worker.Said}");
        Assert.AreEqual(Rows + 1, File.ReadLines(folder.File("out.00001-of-00001.csv")).Count());
    }

    [TestMethod]
    [DataRow("--shards", "0", ExitCode.Usage, "it must be from 1 to 10000")]
    [DataRow("--shards", "10001", ExitCode.Usage, "it must be from 1 to 10000")]
    [DataRow("--tries", "0", ExitCode.Usage, "it must be from 1 to 100")]
    [DataRow("--store", "somewhere", ExitCode.Failed, "The store is 'somewhere'; expected postgres://")]
    public void Submit_OptionOutOfRange_SaysWhatIsExpected(string option, string value, int code, string said)
    {
        string[] shards = option == "--shards" ? [] : ["--shards", "2"];
        CliResult result = Cli.Run([
            "submit",
            "score",
            "model.onnx",
            "in",
            "--output",
            "out.csv",
            .. shards,
            option,
            value,
        ]);
        Assert.AreEqual(code, result.Code, result.ToString());
        StringAssert.Contains(result.Error, said);
    }

    private static string List(TempFolder folder)
    {
        string[] images = [.. Directory.GetFiles(Cli.Samples, "*.png", SearchOption.AllDirectories).Take(20)];
        string list = folder.File("list.csv");
        File.WriteAllLines(list, ["path,n", .. Enumerable.Range(0, Rows).Select(i => $"{images[i % 20]},{i}")]);
        return list;
    }

    private static long Count(PostgresServer server, string table) =>
        Convert.ToInt64(server.Scalar($"SELECT COUNT(*) FROM {table}"), CultureInfo.InvariantCulture);
}
