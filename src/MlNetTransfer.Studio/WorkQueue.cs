using MlNetTransfer.Training;

namespace MlNetTransfer.Studio;

/// <summary>Where a piece of work is.</summary>
internal enum WorkState
{
    /// <summary>It waits for those before it.</summary>
    Waiting,

    /// <summary>It is being done.</summary>
    Running,

    /// <summary>It is done.</summary>
    Done,

    /// <summary>It could not be done; the message says why.</summary>
    Failed,

    /// <summary>It was told to end.</summary>
    Cancelled,
}

/// <summary>A piece of work: a training, or a check.</summary>
internal sealed class Work(string name, string what)
{
    private readonly Lock gate = new();
    private readonly List<EpochResult> epochs = [];

    /// <summary>Name of the run, or of the data.</summary>
    public string Name { get; } = name;

    /// <summary>What is done, for people: "training".</summary>
    public string What { get; } = what;

    /// <summary>Where it is.</summary>
    public WorkState State { get; set; }

    /// <summary>What it is doing at the moment, and how far that is.</summary>
    public JobProgress Progress { get; set; }

    /// <summary>Why it failed; null where it did not.</summary>
    public string? Message { get; set; }

    /// <summary>Ends it.</summary>
    public CancellationTokenSource End { get; } = new();

    /// <summary>The epochs so far, of a training of the network.</summary>
    public IReadOnlyList<EpochResult> Epochs
    {
        get
        {
            lock (gate)
                return [.. epochs];
        }
    }

    /// <summary>Whether nothing more happens.</summary>
    public bool IsOver => State is WorkState.Done or WorkState.Failed or WorkState.Cancelled;

    /// <summary>Adds an epoch.</summary>
    public void Add(EpochResult epoch)
    {
        lock (gate)
            epochs.Add(epoch);
    }
}

/// <summary>Does one piece of work after another, on a thread of its own. Thread-safe.</summary>
internal sealed class WorkQueue : IAsyncDisposable
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    private readonly Lock gate = new();
    private readonly List<Work> all = [];
    private readonly Queue<(Work Work, Action<Work, IProgress<JobProgress>> Do)> waiting = [];
    private readonly SemaphoreSlim arrived = new(0);
    private readonly Task worker;
    private readonly Timer bell;
    private int changes;
    private bool ends;

    public WorkQueue()
    {
        // Pages are told by a thread of their own: what is being done must not wait for them.
        bell = new Timer(
            _ =>
            {
                if (Interlocked.Exchange(ref changes, 0) > 0)
                    Changed?.Invoke();
            },
            null,
            Between,
            Between
        );
        worker = Task.Factory.StartNew(
            Run,
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
    }

    /// <summary>Something has changed; told of five times a second at most.</summary>
    public event Action? Changed;

    /// <summary>All work, the newest first.</summary>
    public IReadOnlyList<Work> All
    {
        get
        {
            lock (gate)
                return [.. all.AsEnumerable().Reverse()];
        }
    }

    /// <summary>Adds work.</summary>
    /// <param name="name">Name of the run, or of the data.</param>
    /// <param name="what">What is done.</param>
    /// <param name="work">Does it.</param>
    public Work Add(string name, string what, Action<Work, IProgress<JobProgress>> work)
    {
        Work added = new(name, what);
        lock (gate)
        {
            all.Add(added);
            waiting.Enqueue((added, work));
        }

        arrived.Release();
        Change();
        return added;
    }

    /// <summary>Ends a piece of work, begun or not.</summary>
    public void Cancel(Work work)
    {
        work.End.Cancel();
        lock (gate)
            if (work.State == WorkState.Waiting)
                work.State = WorkState.Cancelled;
        Change();
    }

    /// <summary>Ends all work, and waits for what is being done.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            ends = true;
            foreach (Work work in all)
                work.End.Cancel();
        }

        arrived.Release();
        await worker;
        await bell.DisposeAsync();
        arrived.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            arrived.Wait();
            (Work Work, Action<Work, IProgress<JobProgress>> Do) next;
            lock (gate)
            {
                if (ends)
                    return;
                next = waiting.Dequeue();
                if (next.Work.State == WorkState.Cancelled)
                    continue;
                next.Work.State = WorkState.Running;
            }

            Change();
            Do(next.Work, next.Do);
            Change();
        }
    }

    private void Do(Work work, Action<Work, IProgress<JobProgress>> how)
    {
        try
        {
            how(work, new Told(this, work));
            work.State = WorkState.Done;
        }
        catch (OperationCanceledException) when (work.End.IsCancellationRequested)
        {
            work.State = WorkState.Cancelled;
        }
        catch (Exception e)
        {
            (work.State, work.Message) = (WorkState.Failed, e.Message);
        }
    }

    private void Change() => Interlocked.Increment(ref changes);

    private sealed class Told(WorkQueue queue, Work work) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            work.Progress = value;
            queue.Change();
        }
    }
}
