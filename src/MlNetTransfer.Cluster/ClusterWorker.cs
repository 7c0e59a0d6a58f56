namespace MlNetTransfer.Cluster;

/// <summary>How a worker works. Immutable; an invalid instance cannot be made.</summary>
public sealed record ClusterWorkerOptions
{
    /// <summary>The store.</summary>
    public required ClusterStore Store { get; init; }

    /// <summary>
    /// What it is called; digits are added that tell it from others. The one worker of a file of SQLite is always
    /// called "local". Default the machine's name.
    /// </summary>
    public string Name
    {
        get;
        init =>
            field =
                value is { Length: > 0 and <= 60 }
                && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')
                    ? value
                    : throw new ArgumentException(
                        $"Name is '{value}'; expected 1 to 60 letters, digits, points, hyphens and underscores.",
                        nameof(Name)
                    );
    } = new([.. Environment.MachineName.Where(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_').Take(60)]);

    /// <summary>Images worked on at the same time in a shard, in [1, 1024]. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = Math.Clamp(Environment.ProcessorCount, 1, 1024);

    /// <summary>Shards worked on at the same time, in [1, 64]. Default 1.</summary>
    public int ShardsAtOnce
    {
        get;
        init => field = Check.InRange(value, 1, 64);
    } = 1;

    /// <summary>
    /// How often the worker says that it is alive, in [1 s, 10 min]. One that has not for three times as long is taken
    /// for dead, and its shards are given to others. Default 5 s.
    /// </summary>
    public TimeSpan CheckIn
    {
        get;
        init => field = TimeSpan.FromSeconds(Check.InRange(value.TotalSeconds, 1, 600, nameof(CheckIn)));
    } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Works on the shards of a store, as one of any number of workers, until it is asked to end. Rows are its shards'; it
/// may be killed at any time.
/// </summary>
/// <param name="options">How it works.</param>
public sealed class ClusterWorker(ClusterWorkerOptions options)
{
    private const int Tries = 3;

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(3),
        Moment = TimeSpan.FromMilliseconds(20),
        LongestEnd = TimeSpan.FromSeconds(25);

    /// <summary>
    /// Works until it is cancelled; then each shard in work ends behind its next committed segment and goes back.
    /// </summary>
    /// <param name="log">Told what happens, a line each, from any thread; null for nobody.</param>
    /// <param name="cancellation">Ends it in good order.</param>
    /// <exception cref="TransferException">The store cannot be reached at the start, or another worker has the file of
    /// SQLite.</exception>
    public async Task Run(Action<string>? log, CancellationToken cancellation)
    {
        ClusterStore store = options.Store;
        using OutputLock? alone = Alone(store);
        var setting = new WorkerSetting
        {
            Id = store.IsShared ? WorkerName.New(options.Name) : WorkerName.OfFile,
            Shards = options.ShardsAtOnce,
            ImagesAtOnce = options.Workers,
            CheckIn = options.CheckIn,
            Idle = options.CheckIn < Idle ? options.CheckIn : Idle,
            Log = log,
            Stopping = cancellation,
        };
        await using StoreConnection connection = await StoreConnection.Open(store, setting);
        await connection.Ask(async scheduler =>
        {
            await scheduler.Start(CancellationToken.None);
            return true;
        });
        log?.Invoke(
            $"Worker {WorkerName.Of(setting.Id).Name}, version {ProductVersion.OfPackage}, waits for shards in "
                + $"{store.Name}."
        );
        await Refusals(connection, log);
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
        }
        catch (OperationCanceledException)
        {
            log?.Invoke("Ending: what is in work ends with its next segment and goes back.");
        }

        // Standing by it takes no further shard, and those in work can still write down how far they are.
        await connection.Scheduler.Standby(CancellationToken.None);
        long started = TimeProvider.System.GetTimestamp();
        while (setting.InWork > 0 && TimeProvider.System.GetElapsedTime(started) < LongestEnd)
            await Task.Delay(Moment, CancellationToken.None);
        await connection.Scheduler.Shutdown(waitForJobsToComplete: true, CancellationToken.None);
    }

    /// <summary>Says whose jobs it leaves alone.</summary>
    private static async Task Refusals(StoreConnection connection, Action<string>? log)
    {
        if (log is null)
            return;
        foreach (JobRecord job in await JobReader.Records(connection))
            if (job.Version != ProductVersion.OfPackage && !job.IsCancelled)
                log(
                    $"Job {job.Id} is left to others: it was submitted with version {job.Version}, and this worker is "
                        + $"of version {ProductVersion.OfPackage}."
                );
    }

    /// <summary>A file of SQLite has one worker.</summary>
    private static OutputLock? Alone(ClusterStore store)
    {
        if (store.File is not { } file)
            return null;
        OutputLock.MakeFolder(Path.GetDirectoryName(file)!);
        for (int tries = 0; ; tries++)
        {
            try
            {
                return OutputLock.OfFile(PlaceOf(file));
            }
            // Who asks whether a worker is alive holds the place for a moment.
            catch (TransferException e) when (OutputLock.IsHeld(e) && tries < Tries)
            {
                Thread.Sleep(Moment);
            }
            catch (TransferException e) when (OutputLock.IsHeld(e))
            {
                throw new TransferException(
                    $"The store {store.Name} has a worker already, and a file of SQLite can have one. Give that worker "
                        + "more shards at once, or take a store of PostgreSQL: postgres://user@host/database.",
                    e
                );
            }
        }
    }

    /// <summary>Whether the one worker of a file of SQLite is alive; true where that cannot be found out.</summary>
    internal static bool IsAlive(ClusterStore store)
    {
        string place = PlaceOf(store.File!);
        // Another one who asks holds the place for a moment, too.
        for (int tries = 0; tries < Tries; tries++)
        {
            if (!File.Exists($"{place}.lock"))
                return false;
            try
            {
                using OutputLock? free = OutputLock.TryOfFile(place);
                if (free is not null)
                    return false;
            }
            catch (TransferException)
            {
                return true;
            }

            Thread.Sleep(Moment);
        }

        return true;
    }

    private static string PlaceOf(string file) => $"{file}.worker";
}

/// <summary>Names of workers in the store: what the user called it, digits of its own, and its version.</summary>
internal static class WorkerName
{
    /// <summary>
    /// The one worker of a file. Always the same: Quartz gives what a dead worker left in a file to its namesake alone.
    /// </summary>
    public const string OfFile = "local";

    /// <summary>A name that no other has.</summary>
    public static string New(string name) => $"{name}-{Guid.NewGuid().ToString("N")[..6]}@{ProductVersion.OfPackage}";

    /// <summary>Name and version.</summary>
    public static (string Name, string Version) Of(string id)
    {
        int at = id.LastIndexOf('@');
        return at < 0 ? (id, "") : (id[..at], id[(at + 1)..]);
    }
}
