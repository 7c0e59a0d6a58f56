namespace MlNetTransfer.Cluster;

/// <summary>A kind of work that is done in shards. A new kind is a class, and a line in <see cref="All"/>.</summary>
internal abstract class ShardWork
{
    private static readonly TimeSpan HeldAtMost = TimeSpan.FromMinutes(1),
        LookAgain = TimeSpan.FromSeconds(1);

    private static readonly ShardWork[] All = [new ScoreWork(), new RunWork(), new TuneWork()];

    /// <summary>What it is called in the store; no other has it.</summary>
    public abstract string Kind { get; }

    /// <summary>The kind of a name.</summary>
    /// <exception cref="TransferException">There is none.</exception>
    public static ShardWork Of(string kind) =>
        Array.Find(All, work => work.Kind == kind)
        ?? throw new TransferException(
            $"The job is of kind '{kind}', and this worker, version {ProductVersion.OfPackage}, knows "
                + $"{string.Join(", ", All.Select(work => work.Kind))}. Start a worker of the version that "
                + "submitted it."
        );

    /// <summary>What to do about a shard over which workers die.</summary>
    public virtual string Watch(JobRecord job, int number) =>
        $"Run '{Kind}' alone on a machine that you watch, then use 'jobs retry'.";

    /// <summary>Does one shard, from where its last run stopped.</summary>
    /// <param name="job">The job.</param>
    /// <param name="number">Which shard, from 1.</param>
    /// <param name="run">What the shard is told and tells.</param>
    /// <returns>How far it is: to its end.</returns>
    /// <exception cref="OperationCanceledException">It was ended; what is committed stays.</exception>
    /// <exception cref="FinalException">It failed, and would fail again.</exception>
    public abstract ShardProgress Run(JobRecord job, int number, ShardRun run);

    /// <summary>Waits while another process holds the output: a worker that just died may not be gone yet.</summary>
    protected static T WhileHeld<T>(Func<T> work, CancellationToken cancellation)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return work();
            }
            catch (TransferException e)
                when (OutputLock.IsHeld(e) && TimeProvider.System.GetElapsedTime(started) < HeldAtMost)
            {
                cancellation.WaitHandle.WaitOne(LookAgain);
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }
}

/// <summary>A shard failed for a reason that no further try can mend.</summary>
/// <param name="message">What it is, and what to do.</param>
internal sealed class FinalException(string message) : TransferException(message);

/// <summary>How far a shard is.</summary>
/// <param name="Rows">Rows that are committed.</param>
/// <param name="Rejected">Those of them with an error.</param>
internal readonly record struct ShardProgress(long Rows, long Rejected);

/// <summary>What a running shard is told, and whom it tells. Immutable.</summary>
internal sealed record ShardRun
{
    /// <summary>Images worked on at the same time.</summary>
    public required int ImagesAtOnce { get; init; }

    /// <summary>Told how far it is, at its start and after each commit.</summary>
    public required Action<ShardProgress> Committed { get; init; }

    /// <summary>Told how many rows the shard has about; null for nobody.</summary>
    public Action<long>? Total { get; init; }

    /// <summary>Ends it behind its next commit.</summary>
    public required CancellationToken Drain { get; init; }

    /// <summary>Ends it at once.</summary>
    public required CancellationToken End { get; init; }
}
