using MlNetTransfer.Cluster;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Scoring;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Cluster;

/// <summary>Jobs in a real server: several workers, several operators.</summary>
[TestClass]
public sealed class ClusterPostgresTests
{
    private static ScoreTask task = null!;
    private static PostgresServer server = null!;

    [ClassInitialize]
    public static void Prepare(TestContext _) =>
        (server, task) = (PostgresServer.Begin(Assert.Inconclusive), new ScoreTask());

    [ClassCleanup]
    public static void CleanUp()
    {
        task?.Dispose();
        server?.Dispose();
    }

    [TestMethod]
    public async Task Work_TwoWorkersIntoOneTable_GivesEveryRowOnce()
    {
        using var cluster = new ClusterTask(task, server.Address);
        ScoreOptions score = cluster.Score() with { Output = server.Address, Table = "clustered" };
        string id = await cluster.Submit(score, shards: 5);
        ClusterJob[] seen = await Task.WhenAll(cluster.Work(id), cluster.Work(id));
        Assert.AreEqual(ClusterState.Done, seen[0].State, string.Join('\n', cluster.Said));
        Assert.AreEqual((20L, 1L), (seen[0].Rows, seen[0].Rejected));
        Assert.AreEqual(
            "20 20 1",
            server.Scalar("SELECT COUNT(*) || ' ' || COUNT(DISTINCT file) || ' ' || COUNT(error) FROM clustered")
        );
    }

    /// <summary>The shard that runs ends with its next segment, and the worker goes on with other work.</summary>
    [TestMethod]
    public async Task Cancel_WhileAShardRuns_EndsIt()
    {
        using var cluster = new ClusterTask(task, server.NewDatabase());
        string id = await cluster.Submit(cluster.Score() with { RateLimit = 2 }, shards: 1);
        await using ClusterClient client = await cluster.Client();
        ClusterJob job = await cluster.CancelInTheMiddle(client, id);
        Assert.AreEqual(ClusterState.Cancelled, job.State, string.Join('\n', cluster.Said));
        Assert.IsLessThan(20, job.Rows);
        Assert.AreEqual(1, await client.Retry(id));
        ClusterJob ended = await cluster.Work(id);
        Assert.AreEqual((ClusterState.Done, 20L), (ended.State, ended.Rows));
    }

    /// <summary>Nobody is alive that could work on it: that is said, with the next step.</summary>
    [TestMethod]
    public async Task Get_NoWorkerAlive_SaysSo()
    {
        using var cluster = new ClusterTask(task, server.NewDatabase());
        ClusterJob job = await cluster.Get(await cluster.Submit(cluster.Score(), shards: 1));
        Assert.AreEqual(ClusterState.Waiting, job.State);
        Assert.StartsWith("No worker is alive. Start one: mlnet-transfer worker --store postgres://", job.Note!);
    }

    [TestMethod]
    public async Task Submit_TwoOperatorsAtOnce_OneJobAndItsIdForBoth()
    {
        using var cluster = new ClusterTask(task, server.Address);
        ScoreOptions score = cluster.Score();
        string[] said = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(Submit)));
        string id = said.Single(text => text.StartsWith("score-", StringComparison.Ordinal));
        Assert.Contains($"The same job is there already: {id}", said.Single(text => text != id));
        Assert.HasCount(2, (await cluster.Get(id)).Shards);

        async Task<string> Submit()
        {
            try
            {
                return await cluster.Submit(score, shards: 2);
            }
            catch (TransferException e)
            {
                return e.Message;
            }
        }
    }
}
