using System.Collections.Concurrent;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>
/// Gives a row of numbers for an image: what stands behind a transformer. Thread-safe; one session for all cursors and
/// prediction engines.
/// </summary>
internal sealed class ItemRowScorer : IDisposable
{
    private readonly ItemGraph graph;
    private readonly DeviceParity parity;
    private readonly FeatureCache? cache;
    private readonly ConcurrentBag<ItemGraphWorker> idle = [];
    private readonly ConcurrentBag<ItemReader> readers = [];
    private bool disposed;

    /// <param name="onnx">The graph's bytes.</param>
    /// <param name="graph">The graph, which this now owns.</param>
    /// <param name="cache">Rows known from before, owned too; null for none.</param>
    public ItemRowScorer(byte[] onnx, ItemGraph graph, FeatureCache? cache)
    {
        (this.graph, this.cache) = (graph, cache);
        parity = new DeviceParity(onnx, graph);
    }

    /// <summary>Numbers per image.</summary>
    public int Width => graph.OutputWidth;

    /// <summary>The graph.</summary>
    public ItemGraph Graph => graph;

    /// <summary>Images that are worked on at a time, so that all workers are busy and memory is bounded.</summary>
    public int ChunkSize => Math.Max(64 * graph.Plan.Workers, 2 * graph.Plan.BatchSize * graph.Plan.BatchesInFlight);

    /// <summary>Scores images by as many workers as the plan has.</summary>
    public ItemRows Run(IReadOnlyList<DataItem> items, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        parity.Check(items, cancellation);
        return new ItemRunner(graph, cache, workers: idle).Run(items, "Scoring", null, cancellation);
    }

    /// <summary>Scores one image on the caller's thread.</summary>
    /// <exception cref="ImageRejectedException">The image cannot be used.</exception>
    public void RunOne(DataItem item, Span<float> row)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ItemReader reader = readers.TryTake(out ItemReader? spare)
            ? spare
            : new ItemReader(graph.Limits);
        ItemGraphWorker worker = idle.TryTake(out ItemGraphWorker? free) ? free : graph.CreateWorker();
        try
        {
            worker.Run(reader.Read(item), row);
        }
        finally
        {
            idle.Add(worker);
            readers.Add(reader);
        }
    }

    public void Dispose()
    {
        disposed = true;
        while (idle.TryTake(out ItemGraphWorker? worker))
            worker.Dispose();
        while (readers.TryTake(out ItemReader? reader))
            reader.Dispose();
        cache?.Dispose();
        graph.Dispose();
    }
}
