namespace MlNetTransfer.Cluster;

/// <summary>How a job or a shard stands.</summary>
public enum ClusterState
{
    /// <summary>It waits for a worker.</summary>
    Waiting,

    /// <summary>A worker has it.</summary>
    Running,

    /// <summary>It is complete.</summary>
    Done,

    /// <summary>It was given up with an error; 'jobs retry' puts it back.</summary>
    Parked,

    /// <summary>It was cancelled.</summary>
    Cancelled,
}

/// <summary>A job of a cluster, as its store knows it.</summary>
public sealed record ClusterJob
{
    /// <summary>What it is called.</summary>
    public required string Id { get; init; }

    /// <summary>What goes where, in words.</summary>
    public required string Title { get; init; }

    /// <summary>How it stands: running where a shard is, else waiting where one is, else parked.</summary>
    public required ClusterState State { get; init; }

    /// <summary>Version of the library whose workers take it.</summary>
    public required string Version { get; init; }

    /// <summary>Who submitted it, and on which machine.</summary>
    public required string By { get; init; }

    /// <summary>When, by that machine's clock.</summary>
    public required DateTimeOffset Submitted { get; init; }

    /// <summary>Its shards, in their order.</summary>
    public required IReadOnlyList<ClusterShard> Shards { get; init; }

    /// <summary>Workers that are alive and may take it.</summary>
    public required IReadOnlyList<ClusterWorkerState> Workers { get; init; }

    /// <summary>Failed runs, the newest first, twenty at most. Some may be missing: it is for people.</summary>
    public IReadOnlyList<ClusterFailure> Failures { get; init; } = [];

    /// <summary>Why nobody works on it, in words; null where somebody does or nothing is left to do.</summary>
    public string? Note { get; init; }

    /// <summary>Rows that are committed, as far as workers have said.</summary>
    public long Rows => Shards.Sum(shard => shard.Rows);

    /// <summary>Those of them with an error instead of a prediction.</summary>
    public long Rejected => Shards.Sum(shard => shard.Rejected);

    /// <summary>Rows a second of all shards that run.</summary>
    public double PerSecond => Workers.Sum(worker => worker.PerSecond);

    /// <summary>The last error of a shard that is not done; null for none.</summary>
    public string? LastError =>
        Shards.LastOrDefault(shard => shard is { Error: not null, State: ClusterState.Parked })?.Error
        ?? Shards.LastOrDefault(shard => shard.Error is not null)?.Error;

    /// <summary>Shards that stand so.</summary>
    public int Count(ClusterState state) => Shards.Count(shard => shard.State == state);
}

/// <summary>A shard of a job.</summary>
public sealed record ClusterShard
{
    /// <summary>Which, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>How it stands.</summary>
    public required ClusterState State { get; init; }

    /// <summary>The worker that has it, or had it last; null for none.</summary>
    public string? Worker { get; init; }

    /// <summary>Rows that are committed, as far as the worker has said.</summary>
    public long Rows { get; init; }

    /// <summary>Those of them with an error.</summary>
    public long Rejected { get; init; }

    /// <summary>Rows a second of its present or last run.</summary>
    public double PerSecond { get; init; }

    /// <summary>How often it failed with an error.</summary>
    public int Failures { get; init; }

    /// <summary>The last error; null for none.</summary>
    public string? Error { get; init; }
}

/// <summary>A worker that is alive.</summary>
public sealed record ClusterWorkerState
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>Its version.</summary>
    public required string Version { get; init; }

    /// <summary>Numbers of the job's shards that it has.</summary>
    public required IReadOnlyList<int> Shards { get; init; }

    /// <summary>Rows a second, of this job.</summary>
    public required double PerSecond { get; init; }
}

/// <summary>A run of a shard that failed.</summary>
/// <param name="Shard">Which shard, from 1.</param>
/// <param name="Worker">The worker.</param>
/// <param name="At">When it began, by the worker's clock.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Error">What it failed with.</param>
public sealed record ClusterFailure(int Shard, string Worker, DateTimeOffset At, double Seconds, string Error);
