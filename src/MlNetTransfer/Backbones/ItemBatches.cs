using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Large batches for a device: workers fill them ahead, one thread runs them. Batch b holds images b·size to (b+1)·size
/// - 1, whoever decodes them.
/// </summary>
internal sealed class ItemBatches
{
    private readonly ItemGraph graph;
    private readonly ItemRunState state;
    private readonly ItemBatch[] ring;
    private readonly BlockingCollection<ItemBatch> ready = [];
    private readonly int size;

    public ItemBatches(ItemGraph graph, ItemRunState state)
    {
        (this.graph, this.state, size) = (graph, state, graph.Plan.BatchSize);
        int batches = (state.Count + size - 1) / size;
        ring =
        [
            .. Enumerable
                .Range(0, Math.Min(graph.Plan.BatchesInFlight, batches))
                .Select(first => new ItemBatch(graph, first)),
        ];
        foreach (ItemBatch batch in ring)
            batch.Begin(CountOf(batch.Number));
    }

    /// <summary>Decodes images into their places until none is left.</summary>
    public void Fill(CancellationToken cancellation)
    {
        using EncoderWorker encoder = graph.Encoder.CreateWorker(graph.Limits);
        using var reader = new ItemReader(graph.Limits);
        while (state.Next(out int index))
        {
            ItemBatch batch = ring[index / size % ring.Length];
            batch.WaitFor(index / size, cancellation);
            if (batch.Finish(index % size, Encode(index, batch.Item(index % size), encoder, reader)))
                ready.Add(batch, cancellation);
        }
    }

    /// <summary>Runs batches as they become full, until all are done.</summary>
    public void Run(CancellationToken cancellation)
    {
        try
        {
            for (int done = 0, batches = (state.Count + size - 1) / size; done < batches; done++)
            {
                ItemBatch batch = ready.Take(cancellation);
                batch.Run();
                for (int place = 0; place < CountOf(batch.Number); place++)
                    Deliver(batch, place);
                batch.Next(ring.Length, CountOf(batch.Number + ring.Length));
            }
        }
        finally
        {
            foreach (ItemBatch batch in ring)
                batch.Dispose();
        }
    }

    private int CountOf(int number) => Math.Clamp(state.Count - number * size, 0, size);

    private bool Encode(int index, EncodedItem item, EncoderWorker encoder, ItemReader reader)
    {
        if (!state.TryRead(index, reader, out ReadOnlySpan<byte> encoded))
            return false;
        try
        {
            encoder.Encode(encoded, item);
            return true;
        }
        catch (ImageRejectedException e)
        {
            state.Reject(index, e.Reason);
            return false;
        }
    }

    private void Deliver(ItemBatch batch, int place)
    {
        int index = batch.Number * size + place;
        if (batch.IsFilled(place))
        {
            ReadOnlySpan<float> row = batch.Output(place);
            if (ItemGraphWorker.FirstNotFinite(row) is { } wrong)
                state.Reject(index, wrong);
            else
            {
                row.CopyTo(state.Row(index));
                state.Keep(index);
            }
        }

        state.CountDone();
    }
}

/// <summary>
/// Memory of one batch, used for one batch after another. Each place is written by one worker; the batch is run once
/// all its places are decided.
/// </summary>
internal sealed class ItemBatch : IDisposable
{
    private readonly ItemGraphBatch memory;
    private readonly bool[] filled;
    private readonly object gate = new();
    private int missing;

    public ItemBatch(ItemGraph graph, int number)
    {
        Number = number;
        memory = graph.CreateBatch(graph.Plan.BatchSize);
        filled = new bool[memory.Size];
    }

    /// <summary>Which batch of the run is in the memory.</summary>
    public int Number { get; private set; }

    public void Begin(int places) => missing = places;

    public EncodedItem Item(int place) => memory.Item(place);

    public ReadOnlySpan<float> Output(int place) => memory.Output(place);

    public bool IsFilled(int place) => filled[place];

    /// <summary>
    /// Waits until the memory belongs to a batch; workers never wait for a batch whose predecessor waits for them,
    /// since images are taken in order.
    /// </summary>
    public void WaitFor(int number, CancellationToken cancellation)
    {
        lock (gate)
        {
            while (Number != number)
            {
                cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(gate, millisecondsTimeout: 50);
            }
        }
    }

    /// <summary>Decides a place; true where it was the last one.</summary>
    public bool Finish(int place, bool isFilled)
    {
        lock (gate)
        {
            filled[place] = isFilled;
            return --missing == 0;
        }
    }

    /// <summary>
    /// Runs the whole batch, unless no place of it is filled; places that are not keep what they held, and their rows
    /// are not looked at.
    /// </summary>
    public void Run()
    {
        if (filled.Contains(true))
            memory.Run(memory.Size);
    }

    /// <summary>Gives the memory to a later batch.</summary>
    public void Next(int step, int places)
    {
        lock (gate)
        {
            Number += step;
            missing = places;
            filled.AsSpan().Clear();
            Monitor.PulseAll(gate);
        }
    }

    public void Dispose() => memory.Dispose();
}

/// <summary>Threads that work together: where one fails or the caller cancels, all end.</summary>
internal sealed class WorkerGroup(CancellationToken cancellation) : IDisposable
{
    private readonly CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    private readonly List<Task> tasks = [];

    /// <summary>Starts a worker on a thread of its own.</summary>
    public void Start(Action<CancellationToken> work) =>
        tasks.Add(
            Task.Factory.StartNew(
                () => Work(work),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default
            )
        );

    /// <summary>Waits for all; throws the first failure that is not the end it caused in the others.</summary>
    public void Wait()
    {
        try
        {
            Task.WaitAll([.. tasks], CancellationToken.None);
        }
        catch (AggregateException e)
        {
            cancellation.ThrowIfCancellationRequested();
            ExceptionDispatchInfo.Throw(
                e.InnerExceptions.FirstOrDefault(i => i is not OperationCanceledException) ?? e.InnerExceptions[0]
            );
        }
    }

    public void Dispose() => stop.Dispose();

    private void Work(Action<CancellationToken> work)
    {
        try
        {
            work(stop.Token);
        }
        catch
        {
            stop.Cancel();
            throw;
        }
    }
}
