using System.Collections.Concurrent;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Runs a graph over images by its plan. Results do not depend on the number of workers; memory beyond the results is
/// bounded by it.
/// </summary>
/// <param name="graph">The graph; not disposed here.</param>
/// <param name="cache">Rows known from before, looked up by the content of each image.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ImageRunner(ImageGraph graph, IRowCache? cache = null, TimeProvider? clock = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly ConcurrentBag<ImageGraphWorker>? idle;

    /// <param name="graph">The graph; not disposed here.</param>
    /// <param name="cache">Rows known from before.</param>
    /// <param name="workers">Workers that may be used and are given back: for many short runs.</param>
    internal ImageRunner(ImageGraph graph, IRowCache? cache, ConcurrentBag<ImageGraphWorker> workers)
        : this(graph, cache) => idle = workers;

    /// <summary>Runs every image once.</summary>
    /// <param name="items">The images.</param>
    /// <param name="stage">How this work is called in progress reports.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>A row or a rejection for every image.</returns>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public ImageRows Run(
        IReadOnlyList<ImageItem> items,
        string stage,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        long started = clock.GetTimestamp();
        var state = new ImageRunState(items, graph.OutputWidth, cache, stage, progress);
        using var workers = new WorkerGroup(cancellation);
        int count = Math.Max(1, Math.Min(graph.Plan.Workers, items.Count));
        if (graph.Plan.BatchSize == 1)
        {
            for (int w = 0; w < count; w++)
                workers.Start(token => RunEach(state, token));
        }
        else
        {
            var batches = new ImageBatches(graph, state);
            for (int w = 0; w < count; w++)
                workers.Start(batches.Fill);
            workers.Start(batches.Run);
        }

        workers.Wait();
        return state.Collect(clock.GetElapsedTime(started));
    }

    private void RunEach(ImageRunState state, CancellationToken cancellation)
    {
        ImageGraphWorker worker =
            idle is not null && idle.TryTake(out ImageGraphWorker? spare) ? spare : graph.CreateWorker();
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

    private void RunEach(ImageRunState state, ImageGraphWorker worker, CancellationToken cancellation)
    {
        using var reader = new ImageItemReader(graph.Limits);
        // Where there are few images, each worker gets its share of them.
        int together = Math.Clamp((state.Count + graph.Plan.Workers - 1) / graph.Plan.Workers, 1, graph.ImagesPerRun),
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

    /// <summary>Decodes an image into a place of the worker; false where its row is decided without a run.</summary>
    private static bool Decoded(
        ImageRunState state,
        int index,
        ImageItemReader reader,
        ImageGraphWorker worker,
        int place
    )
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

    private static void Finish(ImageRunState state, ImageGraphWorker worker, ReadOnlySpan<int> indices)
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
