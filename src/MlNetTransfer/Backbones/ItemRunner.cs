using System.Collections.Concurrent;
using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Runs a graph over items by its plan. Results do not depend on the number of workers; memory beyond the results is
/// bounded by it.
/// </summary>
/// <param name="graph">The graph; not disposed here.</param>
/// <param name="cache">Rows known from before, looked up by the content of each item.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ItemRunner(ItemGraph graph, IRowCache? cache = null, TimeProvider? clock = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly ConcurrentBag<ItemGraphWorker>? idle;

    /// <param name="graph">The graph; not disposed here.</param>
    /// <param name="cache">Rows known from before.</param>
    /// <param name="workers">Workers that may be used and are given back: for many short runs.</param>
    internal ItemRunner(ItemGraph graph, IRowCache? cache, ConcurrentBag<ItemGraphWorker> workers)
        : this(graph, cache) => idle = workers;

    /// <summary>Runs every item once.</summary>
    /// <param name="items">The items.</param>
    /// <param name="stage">How this work is called in progress reports.</param>
    /// <param name="progress">Told after every item, from any worker.</param>
    /// <param name="cancellation">Ends the work between two items.</param>
    /// <returns>A row or a rejection for every item.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public ItemRows Run(
        IReadOnlyList<DataItem> items,
        string stage,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        long started = clock.GetTimestamp();
        var state = new ItemRunState(items, graph.OutputWidth, cache, stage, progress);
        using var workers = new WorkerGroup(cancellation);
        int count = Math.Max(1, Math.Min(graph.Plan.Workers, items.Count));
        if (graph.Plan.BatchSize == 1)
        {
            for (int w = 0; w < count; w++)
                workers.Start(token => RunEach(state, token));
        }
        else
        {
            var batches = new ItemBatches(graph, state);
            for (int w = 0; w < count; w++)
                workers.Start(batches.Fill);
            workers.Start(batches.Run);
        }

        workers.Wait();
        return state.Collect(clock.GetElapsedTime(started));
    }

    private void RunEach(ItemRunState state, CancellationToken cancellation)
    {
        ItemGraphWorker worker =
            idle is not null && idle.TryTake(out ItemGraphWorker? spare) ? spare : graph.CreateWorker();
        try
        {
            RunEach(state, worker, cancellation);
        }
        finally
        {
            if (idle is not null)
                idle.Add(worker);
            else
                worker.Dispose();
        }
    }

    private void RunEach(ItemRunState state, ItemGraphWorker worker, CancellationToken cancellation)
    {
        using var reader = new ItemReader(graph.Limits);
        // Where there are few items, each worker gets its share of them.
        int together = Math.Clamp((state.Count + graph.Plan.Workers - 1) / graph.Plan.Workers, 1, graph.ItemsPerRun),
            decoded = 0;
        Span<int> indices = stackalloc int[together];
        while (state.Next(out int index))
        {
            cancellation.ThrowIfCancellationRequested();
            if (!Decoded(state, index, reader, worker, decoded))
            {
                state.CountDone();
                continue;
            }

            indices[decoded++] = index;
            if (decoded < together)
                continue;
            Finish(state, worker, indices);
            decoded = 0;
        }

        if (decoded > 0)
            Finish(state, worker, indices[..decoded]);
    }

    /// <summary>Decodes an item into a place of the worker; false where its row is decided without a run.</summary>
    private static bool Decoded(ItemRunState state, int index, ItemReader reader, ItemGraphWorker worker, int place)
    {
        if (!state.TryRead(index, reader, out ReadOnlySpan<byte> encoded))
            return false;
        try
        {
            worker.Decode(encoded, place);
            return true;
        }
        catch (ImageRejectedException e)
        {
            state.Reject(index, e.Reason);
            return false;
        }
    }

    private static void Finish(ItemRunState state, ItemGraphWorker worker, ReadOnlySpan<int> indices)
    {
        worker.RunFirst(indices.Length);
        for (int place = 0; place < indices.Length; place++)
        {
            try
            {
                worker.Read(place, state.Row(indices[place]));
                state.Keep(indices[place]);
            }
            catch (ImageRejectedException e)
            {
                state.Reject(indices[place], e.Reason);
            }

            state.CountDone();
        }
    }
}

/// <summary>What the workers of a run share: each writes to the places of its own items only.</summary>
/// <param name="items">The items.</param>
/// <param name="width">Numbers per row.</param>
/// <param name="cache">Rows known from before.</param>
/// <param name="stage">How the work is called in progress reports.</param>
/// <param name="progress">Told after every item.</param>
internal sealed class ItemRunState(
    IReadOnlyList<DataItem> items,
    int width,
    IRowCache? cache,
    string stage,
    IProgress<JobProgress>? progress
)
{
    private readonly float[] values = new float[Length(items.Count, width)];
    private readonly byte[] digests = new byte[items.Count * SHA256.HashSizeInBytes];
    private readonly string?[] reasons = new string?[items.Count];
    private int next = -1;
    private int done;
    private int cached;

    public int Count => items.Count;

    public bool Next(out int index) => (index = Interlocked.Increment(ref next)) < items.Count;

    public Span<float> Row(int index) => values.AsSpan(index * width, width);

    private Span<byte> Digest(int index) => digests.AsSpan(index * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

    public void Reject(int index, string reason) => reasons[index] = reason;

    private static int Length(long images, long width) =>
        images * width <= Array.MaxLength
            ? (int)(images * width)
            : throw new TransferException(
                $"{images:N0} images with {width:N0} numbers each are more than one run can hold; at most "
                    + $"{Array.MaxLength / width:N0} images. Run fewer at a time, or take a narrower tap."
            );

    /// <summary>
    /// Reads an item's file; false where its row is decided without decoding: known to the cache, or not readable.
    /// </summary>
    public bool TryRead(int index, ItemReader reader, out ReadOnlySpan<byte> encoded)
    {
        encoded = default;
        try
        {
            encoded = reader.Read(items[index]);
            SHA256.HashData(encoded, Digest(index));
            if (cache is null || !cache.TryRead(Digest(index), Row(index)))
                return true;
            Interlocked.Increment(ref cached);
        }
        catch (ImageRejectedException e)
        {
            Reject(index, e.Reason);
        }

        return false;
    }

    /// <summary>Stores a finished row in the cache.</summary>
    public void Keep(int index) => cache?.Add(Digest(index), Row(index));

    public void CountDone()
    {
        int count = Interlocked.Increment(ref done);
        progress?.Report(new JobProgress(stage, count, items.Count));
    }

    public ItemRows Collect(TimeSpan elapsed)
    {
        int[] accepted = [.. Enumerable.Range(0, items.Count).Where(i => reasons[i] is null)];
        var rejected = Enumerable
            .Range(0, items.Count)
            .Where(i => reasons[i] is not null)
            .Select(i => new RejectedItem(items[i].Name, reasons[i]!))
            .ToArray();
        for (int row = 0; row < accepted.Length; row++)
        {
            if (accepted[row] == row)
                continue;
            Row(accepted[row]).CopyTo(Row(row));
            Digest(accepted[row]).CopyTo(Digest(row));
        }

        return new ItemRows
        {
            Accepted = accepted,
            Values = accepted.Length == items.Count ? values : values[..(accepted.Length * width)],
            Digests = accepted.Length == items.Count ? digests : digests[..(accepted.Length * SHA256.HashSizeInBytes)],
            Width = width,
            Rejected = rejected,
            FromCache = cached,
            Elapsed = elapsed,
        };
    }
}

/// <summary>What a graph gave for a list of items. Independent of the number of workers.</summary>
public sealed class ItemRows
{
    /// <summary>
    /// Indices into the list of items: the items that have a row [rows]. Ascending, unless <see cref="Sort"/> was
    /// called.
    /// </summary>
    public required int[] Accepted { get; init; }

    /// <summary>The rows [rows × width], row-major, in the order of <see cref="Accepted"/>.</summary>
    public required float[] Values { get; init; }

    /// <summary>Numbers per row.</summary>
    public required int Width { get; init; }

    /// <summary>SHA-256 of each accepted item's file [rows × 32].</summary>
    public required byte[] Digests { get; init; }

    /// <summary>The items without a row and why, in the order of the list.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>Rows that came from the cache.</summary>
    public required int FromCache { get; init; }

    /// <summary>Wall time.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Images per second of wall time, rejected and cached ones included.</summary>
    public double ImagesPerSecond => (Accepted.Length + Rejected.Count) / Math.Max(Elapsed.TotalSeconds, 1e-9);

    /// <summary>One row [width].</summary>
    public ReadOnlySpan<float> Row(int row) => Values.AsSpan(row * Width, Width);

    /// <summary>SHA-256 of each accepted item's file, hexadecimal [rows].</summary>
    internal string[] ContentKeys() =>
        [
            .. Enumerable
                .Range(0, Accepted.Length)
                .Select(row =>
                    Convert.ToHexString(Digests.AsSpan(row * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes))
                ),
        ];

    /// <summary>
    /// Puts the rows into the order of their items' content, so that no sum depends on how they are listed.
    /// </summary>
    internal void SortByContent()
    {
        string[] keys = ContentKeys();
        Sort([.. Enumerable.Range(0, keys.Length).OrderBy(row => keys[row], StringComparer.Ordinal)]);
    }

    /// <summary>Puts the rows into another order, in place: they may take up most of the memory.</summary>
    /// <param name="order">The place where each row of the new order stands now [rows].</param>
    internal void Sort(int[] order)
    {
        int[] accepted = [.. order.Select(row => Accepted[row])];
        accepted.CopyTo(Accepted, 0);
        Permute(Values, Width, order);
        Permute(Digests, SHA256.HashSizeInBytes, order);
    }

    /// <summary>Follows each cycle of the permutation, with one row outside the array.</summary>
    private static void Permute<T>(T[] values, int width, int[] order)
    {
        var kept = new T[width];
        var done = new bool[order.Length];
        for (int start = 0; start < order.Length; start++)
        {
            if (done[start])
                continue;
            Row(start).CopyTo(kept);
            int to = start;
            for (; order[to] != start; to = order[to])
            {
                Row(order[to]).CopyTo(Row(to));
                done[to] = true;
            }

            kept.CopyTo(Row(to));
            done[to] = true;
        }

        Span<T> Row(int row) => values.AsSpan(row * width, width);
    }
}

/// <summary>Remembers a graph's row for an item, by the item's content. Thread-safe.</summary>
public interface IRowCache
{
    /// <summary>Looks an item up.</summary>
    /// <param name="image">SHA-256 of the item's bytes [32].</param>
    /// <param name="row">Filled when found [width].</param>
    /// <returns>Whether the row was found whole.</returns>
    bool TryRead(ReadOnlySpan<byte> image, Span<float> row);

    /// <summary>Stores an item's row; does nothing where it is already stored.</summary>
    /// <param name="image">SHA-256 of the item's bytes [32].</param>
    /// <param name="row">The row [width].</param>
    void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row);
}
