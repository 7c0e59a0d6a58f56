using System.Collections.Concurrent;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>Runs a graph over images by its plan. Results do not depend on the number of workers; memory beyond the results is bounded by it.</summary>
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
    public ImageRows Run(IReadOnlyList<ImageItem> items, string stage, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        var state = new ImageRunState(items, graph.OutputWidth, cache, stage, progress);
        using var workers = new WorkerGroup(cancellation);
        int count = Math.Max(1, Math.Min(graph.Plan.Workers, items.Count));
        if (graph.Plan.BatchSize == 1)
        {
            for (int w = 0; w < count; w++) workers.Start(token => RunOneByOne(state, token));
        }
        else
        {
            var batches = new ImageBatches(graph, state);
            for (int w = 0; w < count; w++) workers.Start(batches.Fill);
            workers.Start(batches.Run);
        }

        workers.Wait();
        return state.Collect(clock.GetElapsedTime(started));
    }

    private void RunOneByOne(ImageRunState state, CancellationToken cancellation)
    {
        ImageGraphWorker worker = idle is not null && idle.TryTake(out ImageGraphWorker? spare) ? spare : graph.CreateWorker();
        try
        {
            RunOneByOne(state, worker, cancellation);
        }
        finally
        {
            if (idle is not null) idle.Add(worker);
            else worker.Dispose();
        }
    }

    private void RunOneByOne(ImageRunState state, ImageGraphWorker worker, CancellationToken cancellation)
    {
        using var reader = new ImageItemReader(graph.Limits);
        while (state.Next(out int index))
        {
            cancellation.ThrowIfCancellationRequested();
            if (state.TryRead(index, reader, out ReadOnlySpan<byte> encoded))
            {
                try
                {
                    worker.Run(encoded, state.Row(index));
                    state.Keep(index);
                }
                catch (ImageRejectedException e)
                {
                    state.Reject(index, e.Reason);
                }
            }

            state.CountDone();
        }
    }
}
