namespace MlNetTransfer.Hosting;

/// <summary>
/// Requests in the order they came, taken by threads in groups: a group is full, or its oldest request has waited as
/// long as it may.
/// </summary>
/// <param name="size">The most requests in a group.</param>
/// <param name="delay">How long the oldest waits for more.</param>
/// <param name="clock">Measures the wait.</param>
internal sealed class RequestQueue(int size, TimeSpan delay, TimeProvider clock) : IDisposable
{
    private readonly LinkedList<PredictRequest> waiting = new();
    private readonly object gate = new();
    private ITimer? timer;
    private bool closed;

    /// <summary>
    /// Whether one thread is waiting for a group to become full; the others leave the requests to it.
    /// </summary>
    private bool collecting;

    /// <summary>Adds a request; false where the queue is closed.</summary>
    public bool TryAdd(PredictRequest request)
    {
        lock (gate)
        {
            if (closed)
                return false;
            request.Queued = clock.GetTimestamp();
            waiting.AddLast(request.Node);
            // In a queue of single requests any thread will do; where groups are collected, the one that collects must
            // hear of it.
            if (size == 1)
                Monitor.Pulse(gate);
            else
                Monitor.PulseAll(gate);
            return true;
        }
    }

    /// <summary>Takes a request out again; false where it is not here (any more).</summary>
    public bool Remove(PredictRequest request)
    {
        lock (gate)
        {
            if (request.Node.List != waiting)
                return false;
            waiting.Remove(request.Node);
            return true;
        }
    }

    /// <summary>
    /// Waits for a group of requests and moves it into a list; false where the queue is closed and empty.
    /// </summary>
    public bool Take(List<PredictRequest> group)
    {
        lock (gate)
        {
            while (true)
            {
                while (waiting.Count == 0 || collecting)
                {
                    if (closed && waiting.Count == 0)
                        return false;
                    Monitor.Wait(gate);
                }

                if (size > 1)
                    Collect();
                if (waiting.Count == 0)
                    continue;
                for (; group.Count < size && waiting.First is { } first; waiting.Remove(first))
                    group.Add(first.Value);
                return true;
            }
        }
    }

    /// <summary>Takes no more requests; those that are here are still to be taken.</summary>
    public void Close()
    {
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>Closes, and hands out all that are here.</summary>
    public PredictRequest[] Abandon()
    {
        lock (gate)
        {
            PredictRequest[] left = [.. waiting];
            waiting.Clear();
            Close();
            return left;
        }
    }

    public void Dispose() => timer?.Dispose();

    private void Collect()
    {
        collecting = true;
        WaitForMore();
        collecting = false;
        Monitor.PulseAll(gate);
    }

    private void WaitForMore()
    {
        while (waiting.Count > 0 && waiting.Count < size && !closed)
        {
            TimeSpan left = delay - clock.GetElapsedTime(waiting.First!.Value.Queued);
            if (left <= TimeSpan.Zero)
                return;
            timer ??= clock.CreateTimer(_ => Wake(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            // Timers count whole milliseconds; one that is rounded down to 0 would fire before the time is over, again
            // and again.
            timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
            Monitor.Wait(gate);
        }
    }

    private void Wake()
    {
        lock (gate)
            Monitor.PulseAll(gate);
    }
}

/// <summary>One image on its way through an engine. It is over exactly once: answered, refused or withdrawn.</summary>
internal sealed class PredictRequest : IDisposable
{
    private readonly TaskCompletionSource<TransferPrediction> completion = new(
        TaskCreationOptions.RunContinuationsAsynchronously
    );
    private readonly EncodedImage image;

    public PredictRequest(EncodedImage image, PredictionWishes wishes, CancellationToken cancellation)
    {
        (this.image, Wishes, Cancellation) = (image, wishes, cancellation);
        Node = new LinkedListNode<PredictRequest>(this);
    }

    public ReadOnlyMemory<byte> Encoded => image.Bytes;

    /// <summary>What it wants of the answer.</summary>
    public PredictionWishes Wishes { get; }

    public CancellationToken Cancellation { get; }

    /// <summary>The request's place in whatever queue it is in.</summary>
    public LinkedListNode<PredictRequest> Node { get; }

    /// <summary>When it entered the queue it is in.</summary>
    public long Queued { get; set; }

    /// <summary>The decoded image, while it waits for a batch.</summary>
    public float[]? Tensor { get; set; }

    public Task<TransferPrediction> Answer => completion.Task;

    public void Complete(TransferPrediction prediction)
    {
        Dispose();
        completion.TrySetResult(prediction);
    }

    public void Fail(Exception reason)
    {
        Dispose();
        if (reason is OperationCanceledException)
            completion.TrySetCanceled(Cancellation);
        else
            completion.TrySetException(reason);
    }

    /// <summary>Gives the encoded bytes back; they are not looked at after decoding.</summary>
    public void Dispose() => image.Dispose();
}

/// <summary>Counts the requests of one model over all its files, and refuses more waiting ones than may be.</summary>
internal sealed class Admission(string model, int limit, TransferInstruments instruments)
{
    private int waiting;
    private int active;

    public int Waiting => Volatile.Read(ref waiting);

    public int Active => Volatile.Read(ref active);

    /// <exception cref="ModelBusyException">As many wait as may.</exception>
    public void ThrowIfFull()
    {
        if (Waiting >= limit)
            throw new ModelBusyException(model, limit);
    }

    /// <summary>Lets a request wait.</summary>
    /// <exception cref="ModelBusyException">As many wait as may.</exception>
    public void Enter()
    {
        if (Interlocked.Increment(ref waiting) > limit)
        {
            Interlocked.Decrement(ref waiting);
            throw new ModelBusyException(model, limit);
        }

        instruments.Waiting(model, 1);
    }

    /// <summary>A request waits no longer, and was not begun.</summary>
    public void Leave()
    {
        Interlocked.Decrement(ref waiting);
        instruments.Waiting(model, -1);
    }

    /// <summary>A worker took a waiting request.</summary>
    public void Begin()
    {
        Leave();
        Interlocked.Increment(ref active);
        instruments.Active(model, 1);
    }

    /// <summary>A request that was begun is over.</summary>
    public void End()
    {
        Interlocked.Decrement(ref active);
        instruments.Active(model, -1);
    }
}
