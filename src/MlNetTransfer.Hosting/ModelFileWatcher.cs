using Microsoft.Extensions.Logging;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Has the file looked at soon after the file system tells of a change, and regularly, since it does not tell of every
/// one (network shares, containers, links).
/// </summary>
internal sealed class ModelFileWatcher : IDisposable
{
    private readonly TransferModelOptions options;
    private readonly Func<Task<TimeSpan>> look;
    private readonly ILogger logger;
    private readonly string path;
    private readonly ITimer timer;
    private readonly FileSystemWatcher? events;
    private readonly Lock schedule = new();

    /// <summary>How often the file system has told of a change.</summary>
    private long changes;

    /// <param name="path">The file.</param>
    /// <param name="options">How often, and how soon after a change.</param>
    /// <param name="clock">Makes the timer.</param>
    /// <param name="look">Looks at the file and says when to look again.</param>
    /// <param name="logger">Told where the file system cannot be watched.</param>
    public ModelFileWatcher(
        string path,
        TransferModelOptions options,
        TimeProvider clock,
        Func<Task<TimeSpan>> look,
        ILogger logger
    )
    {
        (this.path, this.options, this.look, this.logger) = (path, options, look, logger);
        // A model that is loaded at its first request must not keep that request's context.
        using AsyncFlowControl noContext = ExecutionContext.SuppressFlow();
        timer = clock.CreateTimer(_ => _ = TickAsync(), null, options.PollInterval, Timeout.InfiniteTimeSpan);
        try
        {
            events = new FileSystemWatcher(Path.GetDirectoryName(path)!, Path.GetFileName(path))
            {
                NotifyFilter = NotifyFilters.LastWrite | NotifyFilters.FileName | NotifyFilters.Size,
            };
            events.Changed += Soon;
            events.Created += Soon;
            events.Renamed += Soon;
            events.EnableRaisingEvents = true;
        }
        catch (Exception e)
            when (e is IOException or ArgumentException or PlatformNotSupportedException or UnauthorizedAccessException)
        {
            // The system's limit on watchers is reached, or the folder cannot be watched: the timer is enough.
            events?.Dispose();
            Log.NotWatched(logger, path, options.PollInterval, e);
        }
    }

    public void Dispose()
    {
        events?.Dispose();
        timer.Dispose();
    }

    private void Soon(object sender, FileSystemEventArgs change)
    {
        lock (schedule)
        {
            changes++;
            timer.Change(options.Debounce, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task TickAsync()
    {
        long known;
        lock (schedule)
            known = changes;
        TimeSpan next = options.PollInterval;
        try
        {
            next = await look().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception e)
        {
            Log.LookFailed(logger, path, e.Message);
        }

        // A change told of during the look may have come after the file was read: it keeps the timer it has set.
        lock (schedule)
            if (changes == known)
                timer.Change(next, Timeout.InfiniteTimeSpan);
    }
}
