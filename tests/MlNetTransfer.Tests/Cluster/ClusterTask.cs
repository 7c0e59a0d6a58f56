using System.Collections.Concurrent;
using MlNetTransfer.Cluster;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Scoring;

namespace MlNetTransfer.Tests.Cluster;

/// <summary>A small batch, a store, and workers of this process.</summary>
internal sealed class ClusterTask(ScoreTask task, string store) : IDisposable
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);
    private static readonly Lock Inputs = new();

    public ClusterStore Store { get; } = ClusterStore.Parse(store);

    /// <summary>What workers said.</summary>
    public ConcurrentQueue<string> Said { get; } = [];

    /// <summary>A store in a file of its own.</summary>
    public static ClusterTask OfFile(ScoreTask task) => new(task, $"sqlite:{task.At($"{Guid.NewGuid():N}/store.db")}");

    /// <summary>A batch whose output is a folder of its own.</summary>
    /// <param name="output">Name of the output in it.</param>
    public ScoreOptions Score(string output = "out.csv")
    {
        string folder = task.At($"{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        lock (Inputs)
        {
            string list = task.At("list.csv");
            if (!File.Exists(list))
                task.Input(".csv");
            return task.Options(list, Path.Combine(folder, output));
        }
    }

    public Task<ClusterClient> Client(TimeProvider? clock = null) => ClusterClient.Open(Store, clock);

    public async Task<string> Submit(ScoreOptions score, int shards = 3, int tries = 1)
    {
        await using ClusterClient client = await Client();
        return await client.Submit(
            new ScoreSubmission
            {
                Score = score,
                Shards = shards,
                Tries = tries,
            }
        );
    }

    /// <summary>Works on a job until it has ended, or until it is as is asked for.</summary>
    public async Task<ClusterJob> Work(string id, Func<ClusterJob, bool>? until = null)
    {
        using var ends = new CancellationTokenSource(Longest);
        var worker = new ClusterWorker(
            new ClusterWorkerOptions
            {
                Store = Store,
                Name = "tester",
                Workers = 1,
                CheckIn = TimeSpan.FromSeconds(1),
            }
        );
        Task work = Task.Run(() => worker.Run(Said.Enqueue, ends.Token));
        until ??= job => job.State is not (ClusterState.Waiting or ClusterState.Running);
        await using ClusterClient client = await Client();
        ClusterJob job;
        do
        {
            Assert.IsFalse(ends.IsCancellationRequested, string.Join('\n', Said));
            await Task.WhenAny(Task.Delay(100), work);
            if (work.IsFaulted)
                await work;
            job = await client.Get(id);
        } while (!until(job));
        await ends.CancelAsync();
        await work;
        return await client.Get(id);
    }

    /// <summary>Works on a job and cancels it once it has rows, until the worker has said that its shard ended.</summary>
    public async Task<ClusterJob> CancelInTheMiddle(ClusterClient client, string id)
    {
        bool isCancelled = false;
        return await Work(
            id,
            job =>
            {
                if (!isCancelled && job.Rows > 0)
                    client.Cancel(id).GetAwaiter().GetResult();
                isCancelled |= job.Rows > 0;
                return Said.Any(line => line.Contains("is cancelled at row", StringComparison.Ordinal));
            }
        );
    }

    public async Task<ClusterJob> Get(string id)
    {
        await using ClusterClient client = await Client();
        return await client.Get(id);
    }

    /// <summary>Rows of all shards in the order of their text, without the header.</summary>
    public static string[] Rows(ScoreOptions score, int shards) =>
        [
            .. Enumerable
                .Range(1, shards)
                .SelectMany(number => File.ReadLines(ScoreWork.OutputOf(score.Output, number, shards)).Skip(1))
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>Rows that a run without shards or disturbance gives.</summary>
    public string[] Undisturbed()
    {
        ScoreOptions whole = Score();
        new ScoreJob(whole).Run();
        return [.. File.ReadLines(whole.Output).Skip(1).Order(StringComparer.Ordinal)];
    }

    public void Dispose() => Said.Clear();
}
