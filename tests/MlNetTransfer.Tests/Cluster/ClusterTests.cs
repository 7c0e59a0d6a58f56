using System.Diagnostics;
using MlNetTransfer.Cluster;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Runs;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Scoring;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;
using Quartz;

namespace MlNetTransfer.Tests.Cluster;

/// <summary>Jobs in a file of SQLite, one worker: the whole life of a job, and what is refused.</summary>
[TestClass]
public sealed class ClusterTests
{
    private static ScoreTask task = null!;

    [ClassInitialize]
    public static void Prepare(TestContext _) => task = new ScoreTask();

    [ClassCleanup]
    public static void CleanUp() => task.Dispose();

    [TestMethod]
    public async Task Work_AJobOfAnOperatorWhoseClockIsAnHourAhead_GivesEveryRowOnce()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score();
        List<Activity> runs = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "MlNetTransfer.Cluster",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = run =>
            {
                lock (runs)
                    runs.Add(run);
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using ClusterClient client = await cluster.Client(new Ahead());
        string id = await client.Submit(new ScoreSubmission { Score = score, Shards = 3 });
        Assert.AreEqual(ClusterState.Waiting, (await client.Get(id)).State);
        ClusterJob job = await cluster.Work(id);
        Assert.AreEqual(ClusterState.Done, job.State, string.Join('\n', cluster.Said));
        Assert.AreEqual((20L, 1L), (job.Rows, job.Rejected));
        CollectionAssert.AreEqual(cluster.Undisturbed(), ClusterTask.Rows(score, 3));
        Assert.AreEqual(id, (await client.List()).Single().Id);
        // Other tests run shards meanwhile.
        Activity[] ended;
        lock (runs)
            ended = [.. runs];
        Assert.AreEqual(
            20L,
            ended.Where(run => (string?)run.GetTagItem("job") == id).Sum(run => (long)run.GetTagItem("rows")!)
        );

        // The same again is the same job; another one must not have its output.
        Assert.Contains(
            $"The same job is there already: {id}",
            (
                await Assert.ThrowsExactlyAsync<TransferException>(() =>
                    client.Submit(new ScoreSubmission { Score = score, Shards = 3 })
                )
            ).Message
        );
        Assert.Contains(
            $"is that of job {id}, which is another one",
            (
                await Assert.ThrowsExactlyAsync<TransferException>(() =>
                    client.Submit(new ScoreSubmission { Score = score with { Top = 2 }, Shards = 3 })
                )
            ).Message
        );
        await client.Remove(id);
        Assert.Contains(
            "is of another batch: columns",
            (
                await Assert.ThrowsExactlyAsync<TransferException>(() =>
                    client.Submit(new ScoreSubmission { Score = score with { Top = 2 }, Shards = 3 })
                )
            ).Message
        );
    }

    [TestMethod]
    public async Task Work_SeveralModelsHostsAndFeatures_AreThoseOfTheSubmission()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score("out.jsonl") with
        {
            AlsoModels = [new AlsoModel("other", task.Second()), new AlsoModel("same", task.Model)],
            Hosts = ["images.example.com"],
            Features = true,
        };
        ClusterJob job = await cluster.Work(await cluster.Submit(score, shards: 2));
        Assert.AreEqual(ClusterState.Done, job.State, string.Join('\n', cluster.Said));
        string whole = Path.Combine(Path.GetDirectoryName(score.Output)!, "whole.jsonl");
        new ScoreJob(score with { Output = whole }).Run();
        string[] found =
        [
            .. Directory
                .GetFiles(Path.GetDirectoryName(score.Output)!, "out.*.jsonl")
                .SelectMany(File.ReadAllLines)
                .Order(StringComparer.Ordinal),
        ];
        CollectionAssert.AreEqual(File.ReadAllLines(whole).Order(StringComparer.Ordinal).ToArray(), found);
        Assert.Contains("\"other_prediction\"", found[0]);
        Assert.Contains("\"features\":[", found[0]);
    }

    [TestMethod]
    public async Task Submit_ASearchThatCannotBe_IsRefusedAtOnce()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        await using ClusterClient client = await cluster.Client();
        var train = new TrainOptions { Folder = task.At("photos"), Output = task.At("search") };
        await Refused("has no recipe to search", new TuneOptions { Train = train });
        train = train with { Strategy = TrainingStrategy.FineTune };
        await Refused(
            "--time-budget has no effect",
            new TuneOptions { Train = train, TimeBudget = TimeSpan.FromHours(1) }
        );
        await Refused("--resume has no effect", new TuneOptions { Train = train with { Resume = true } });
        Assert.IsEmpty(await client.List());

        async Task Refused(string said, TuneOptions search) =>
            Assert.Contains(
                said,
                (
                    await Assert.ThrowsExactlyAsync<TransferException>(() =>
                        client.Submit(new TuneSubmission { Search = search, Shards = 2 })
                    )
                ).Message
            );
    }

    /// <summary>A stage is the version that it had at the submission; each machine fetches it for itself.</summary>
    [TestMethod]
    [DoNotParallelize]
    public async Task Work_StageOfARegistryInADatabase_IsThatOfTheSubmission()
    {
        DatabaseModels.Register();
        using var server = PostgresServer.Begin(Assert.Inconclusive);
        string? before = Environment.GetEnvironmentVariable(ModelRegistry.Variable);
        Environment.SetEnvironmentVariable(ModelRegistry.Variable, server.Address);
        try
        {
            var registry = new ModelRegistry();
            registry.Add("one", task.Model, ModelRegistry.Production);
            using ClusterTask cluster = ClusterTask.OfFile(task);
            ScoreOptions score = cluster.Score() with { Model = "registry:one@production" };
            string id = await cluster.Submit(score, shards: 2);
            registry.Add("one", task.Second(), ModelRegistry.Production);
            Directory.Delete(DataFolder.For("registry-copies"), recursive: true);
            ClusterJob job = await cluster.Work(id);
            Assert.AreEqual(ClusterState.Done, job.State, string.Join('\n', cluster.Said));
            Assert.Contains($"registry:one@{FileDigest.Of(task.Model)}", job.Title);
            CollectionAssert.AreEqual(cluster.Undisturbed(), ClusterTask.Rows(score, 2));
        }
        finally
        {
            Environment.SetEnvironmentVariable(ModelRegistry.Variable, before);
        }
    }

    [TestMethod]
    public async Task Work_ATrainingJob_LeavesItsRunAndIsParkedByAGate()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        string job = task.At("cluster-job.yaml"),
            good = task.At("cluster-good"),
            bad = task.At("cluster-bad");
        string train = $"version: 1\ntrain:\n  folder: {Repository.At("data-samples/clipart")}\n  testFraction: 0.5\n";
        File.WriteAllText(job, train);
        await using ClusterClient client = await cluster.Client();
        string id = await client.Submit(new RunOptions { Job = job, Output = good });
        Assert.Contains(
            $"The same job is there already: {id}",
            (
                await Assert.ThrowsExactlyAsync<TransferException>(() =>
                    client.Submit(new RunOptions { Job = job, Output = good })
                )
            ).Message
        );
        Assert.AreEqual(ClusterState.Done, (await cluster.Work(id)).State, string.Join('\n', cluster.Said));
        Assert.IsTrue(File.Exists(Path.Combine(good, "run.json")));

        File.WriteAllText(job, train + "gates:\n  minAccuracy: 0.999\n");
        ClusterJob failed = await cluster.Work(await client.Submit(new RunOptions { Job = job, Output = bad }));
        Assert.AreEqual(ClusterState.Parked, failed.State);
        Assert.AreEqual(1, failed.Shards.Single().Failures, "no further try can help");
        Assert.Contains("does not pass. minAccuracy: accuracy", failed.LastError!);
        CollectionAssert.AreEqual(
            File.ReadAllBytes(Path.Combine(good, "model.onnx")),
            File.ReadAllBytes(Path.Combine(bad, "model.onnx"))
        );
    }

    [TestMethod]
    public async Task Work_APoisonShard_IsParkedWithItsErrorAndTheOthersAreDone()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score();
        string id = await cluster.Submit(score, tries: 2);
        File.WriteAllText(ScoreWork.OutputOf(score.Output, 2, 3), "of somebody else");
        ClusterJob job = await cluster.Work(id);
        Assert.AreEqual(ClusterState.Parked, job.State);
        Assert.AreEqual((2, 1), (job.Count(ClusterState.Done), job.Count(ClusterState.Parked)));
        Assert.AreEqual(2, job.Shards[1].Failures);
        Assert.Contains("nothing says of which batch", job.LastError!);
        Assert.Contains("nothing says of which batch", job.Failures[0].Error);
        File.Delete(ScoreWork.OutputOf(score.Output, 2, 3));
        await using ClusterClient client = await cluster.Client();
        Assert.AreEqual(1, await client.Retry(id));
        Assert.AreEqual(ClusterState.Done, (await cluster.Work(id)).State);
        CollectionAssert.AreEqual(cluster.Undisturbed(), ClusterTask.Rows(score, 3));
    }

    [TestMethod]
    public async Task Work_AModelThatChangedSince_IsRefusedInWords()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        string model = task.At("changing.onnx");
        File.Copy(task.Model, model);
        string id = await cluster.Submit(cluster.Score() with { Model = model }, shards: 1);
        byte[] bytes = File.ReadAllBytes(model);
        File.WriteAllBytes(model, [.. bytes, 0]);
        ClusterJob job = await cluster.Work(id);
        Assert.AreEqual(ClusterState.Parked, job.State);
        Assert.Contains("is not the file that the job was submitted with", job.LastError!);
        Assert.AreEqual(0, job.Rows);
    }

    [TestMethod]
    public async Task Work_EndedAndCancelledInTheMiddle_GoesOnBehindTheLastRow()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score() with { RateLimit = 4 };
        string id = await cluster.Submit(score, shards: 1);
        ClusterJob job = await cluster.Work(id, job => job.Rows > 0);
        Assert.AreEqual(ClusterState.Waiting, job.State, string.Join('\n', cluster.Said));
        Assert.IsLessThan(20, job.Rows);
        Assert.AreEqual(0, job.Shards[0].Failures);
        Assert.Contains(line => line.Contains("handed back", StringComparison.Ordinal), cluster.Said);
        await using ClusterClient client = await cluster.Client();
        await client.Cancel(id);
        Assert.AreEqual(ClusterState.Cancelled, (await cluster.Work(id)).State);
        Assert.AreEqual(1, await client.Retry(id));
        Assert.AreEqual(ClusterState.Done, (await cluster.Work(id)).State);
        CollectionAssert.AreEqual(cluster.Undisturbed(), ClusterTask.Rows(score, 1));
    }

    [TestMethod]
    public async Task Cancel_WhileAShardRuns_EndsIt()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        string id = await cluster.Submit(cluster.Score() with { RateLimit = 2 }, shards: 2);
        await using ClusterClient client = await cluster.Client();
        ClusterJob job = await cluster.CancelInTheMiddle(client, id);
        Assert.AreEqual(2, job.Count(ClusterState.Cancelled), string.Join('\n', cluster.Said));
        Assert.IsLessThan(20, job.Rows);
    }

    [TestMethod]
    public async Task Work_AJobOfAnotherVersion_IsLeftToOthersAndSaysSo()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score();
        JobRecord other = ScoreWork.Record(
            new ScoreSubmission { Score = score, Shards = 1 },
            cluster.Store,
            DateTimeOffset.UtcNow
        ) with
        {
            Version = "0.0.7",
        };
        await using (StoreConnection store = await StoreConnection.Open(cluster.Store))
        {
            (IJobDetail shard, ITrigger trigger) = other.Shard(1, ShardRecord.New, DateTimeOffset.UtcNow);
            await store.Scheduler.AddJob(other.ToDetail(), default);
            await store.Scheduler.ScheduleJob(shard, trigger);
        }

        string own = await cluster.Submit(cluster.Score(), shards: 1);
        Assert.AreEqual(ClusterState.Done, (await cluster.Work(own)).State);
        ClusterJob left = await cluster.Get(other.Id);
        Assert.AreEqual(ClusterState.Waiting, left.State);
        Assert.Contains("version 0.0.7", left.Note!);
        Assert.Contains(
            line => line.Contains($"Job {other.Id} is left to others", StringComparison.Ordinal),
            cluster.Said
        );
    }

    [TestMethod]
    public async Task Submit_WhatAClusterCannotDo_IsRefusedInWords()
    {
        using ClusterTask cluster = ClusterTask.OfFile(task);
        ScoreOptions score = cluster.Score();
        ClusterStore server = ClusterStore.Parse("postgres://tester@127.0.0.1:1/none");
        Assert.Throws<ArgumentException>(() => new ScoreSubmission { Score = score, Shards = 0 });
        Assert.Throws<ArgumentException>(() => new ScoreSubmission { Score = score, Shards = 10_001 });
        Refused(() => ClusterStore.Parse("cluster"), "The store is 'cluster'; expected postgres://");
        Refused(() => Record(score with { Input = "-" }), "standard input, which other machines cannot read");
        Refused(() => Record(score with { Restart = true }), "are for 'score' alone");
        Refused(
            () => Record(score with { Output = "postgres://me:secret@host/db" }),
            "has the password in it, which would stand readable in the store"
        );
        Refused(
            () => ScoreWork.Record(Submission(score with { Output = "rows.db" }), server, default),
            "workers on several machines cannot write to"
        );
        Refused(() => Record(score with { Model = task.At("none.onnx") }), "none.onnx' cannot be read");
        TransferException away = await Assert.ThrowsExactlyAsync<TransferException>(() => ClusterClient.Open(server));
        Assert.Contains("The store postgres://127.0.0.1:1/none cannot be reached", away.Message);
        TransferException unknown = await Assert.ThrowsExactlyAsync<TransferException>(() => cluster.Get("score-1"));
        Assert.Contains("There is no job 'score-1'", unknown.Message);

        JobRecord Record(ScoreOptions options) => ScoreWork.Record(Submission(options), cluster.Store, default);

        static ScoreSubmission Submission(ScoreOptions options) => new() { Score = options, Shards = 2 };

        static void Refused(Func<object> act, string said) =>
            Assert.Contains(said, Assert.ThrowsExactly<TransferException>(act).Message);
    }

    private sealed class Ahead : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromHours(1);
    }
}
