using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>Runs a graph over images with as many workers as asked for. Results do not depend on their number; memory beyond the results is bounded by it.</summary>
/// <param name="graph">The graph; not disposed here.</param>
/// <param name="workers">Concurrent workers, at least 1; the number of cores is best.</param>
/// <param name="cache">Rows known from before, looked up by the content of each image.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ImageRunner(ImageGraph graph, int workers, IRowCache? cache = null, TimeProvider? clock = null)
{
    private readonly int workers = Check.InRange(workers, 1, 1024);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs every image once.</summary>
    /// <param name="items">The images.</param>
    /// <param name="stage">How this work is called in progress reports.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>A row or a rejection for every image.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public ImageRows Run(IReadOnlyList<ImageItem> items, string stage, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        var state = new RunState(items, graph.OutputWidth);
        int count = Math.Max(1, Math.Min(workers, items.Count));
        progress?.Report(new JobProgress(stage, 0, items.Count));
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var tasks = new Task[count];
        for (int w = 0; w < count; w++) tasks[w] = Task.Factory.StartNew(() => Work(state, stage, progress, failed), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            Task.WaitAll(tasks, CancellationToken.None);
        }
        catch (AggregateException e)
        {
            cancellation.ThrowIfCancellationRequested();
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions.FirstOrDefault(i => i is not OperationCanceledException) ?? e.InnerExceptions[0]);
        }

        return state.Collect(clock.GetElapsedTime(started));
    }

    private void Work(RunState state, string stage, IProgress<JobProgress>? progress, CancellationTokenSource failed)
    {
        try
        {
            using ImageGraphWorker worker = graph.CreateWorker();
            using var reader = new ImageItemReader(graph.Limits);
            while (state.Next(out int index))
            {
                failed.Token.ThrowIfCancellationRequested();
                One(state, index, worker, reader);
                progress?.Report(new JobProgress(stage, state.CountDone(), state.Items.Count));
            }
        }
        catch
        {
            failed.Cancel();
            throw;
        }
    }

    private void One(RunState state, int index, ImageGraphWorker worker, ImageItemReader reader)
    {
        Span<float> row = state.Row(index);
        Span<byte> digest = state.Digest(index);
        try
        {
            ReadOnlySpan<byte> encoded = reader.Read(state.Items[index]);
            SHA256.HashData(encoded, digest);
            if (cache is not null && cache.TryRead(digest, row))
            {
                state.CountCached();
                return;
            }

            worker.Run(encoded, row);
            cache?.Add(digest, row);
        }
        catch (ImageRejectedException e)
        {
            state.Reject(index, e.Reason);
        }
    }

    /// <summary>What the workers share: each writes to the places of its own images only.</summary>
    private sealed class RunState(IReadOnlyList<ImageItem> items, int width)
    {
        private readonly float[] values = new float[checked(items.Count * width)];
        private readonly byte[] digests = new byte[items.Count * SHA256.HashSizeInBytes];
        private readonly string?[] reasons = new string?[items.Count];
        private int next = -1;
        private int done;
        private int cached;

        public IReadOnlyList<ImageItem> Items => items;

        public bool Next(out int index) => (index = Interlocked.Increment(ref next)) < items.Count;

        public Span<float> Row(int index) => values.AsSpan(index * width, width);

        public Span<byte> Digest(int index) => digests.AsSpan(index * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

        public void Reject(int index, string reason) => reasons[index] = reason;

        public int CountDone() => Interlocked.Increment(ref done);

        public void CountCached() => Interlocked.Increment(ref cached);

        public ImageRows Collect(TimeSpan elapsed)
        {
            int[] accepted = [.. Enumerable.Range(0, items.Count).Where(i => reasons[i] is null)];
            var rejected = Enumerable.Range(0, items.Count).Where(i => reasons[i] is not null).Select(i => new RejectedImage(items[i].Name, reasons[i]!)).ToArray();
            for (int row = 0; row < accepted.Length; row++)
            {
                if (accepted[row] == row) continue;
                Row(accepted[row]).CopyTo(Row(row));
                Digest(accepted[row]).CopyTo(Digest(row));
            }

            return new ImageRows
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
}
