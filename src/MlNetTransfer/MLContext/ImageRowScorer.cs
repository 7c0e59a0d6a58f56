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
internal sealed class ImageRowScorer : IDisposable
{
    private readonly ImageGraph graph;
    private readonly DeviceParity parity;
    private readonly FeatureCache? cache;
    private readonly ConcurrentBag<ImageGraphWorker> idle = [];
    private readonly ConcurrentBag<ImageItemReader> readers = [];
    private bool disposed;

    /// <param name="onnx">The graph's bytes.</param>
    /// <param name="graph">The graph, which this now owns.</param>
    /// <param name="cache">Rows known from before, owned too; null for none.</param>
    public ImageRowScorer(byte[] onnx, ImageGraph graph, FeatureCache? cache)
    {
        (this.graph, this.cache) = (graph, cache);
        parity = new DeviceParity(onnx, graph);
    }

    /// <summary>Numbers per image.</summary>
    public int Width => graph.OutputWidth;

    /// <summary>The graph.</summary>
    public ImageGraph Graph => graph;

    /// <summary>Images that are worked on at a time, so that all workers are busy and memory is bounded.</summary>
    public int ChunkSize => Math.Max(64 * graph.Plan.Workers, 2 * graph.Plan.BatchSize * graph.Plan.BatchesInFlight);

    /// <summary>Scores images by as many workers as the plan has.</summary>
    public ImageRows Run(IReadOnlyList<ImageItem> items, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        parity.Check(items, cancellation);
        return new ImageRunner(graph, cache, workers: idle).Run(items, "Scoring", null, cancellation);
    }

    /// <summary>Scores one image on the caller's thread.</summary>
    /// <exception cref="ImageRejectedException">The image cannot be used.</exception>
    public void RunOne(ImageItem item, Span<float> row)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ImageItemReader reader = readers.TryTake(out ImageItemReader? spare)
            ? spare
            : new ImageItemReader(graph.Limits);
        ImageGraphWorker worker = idle.TryTake(out ImageGraphWorker? free) ? free : graph.CreateWorker();
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
        while (idle.TryTake(out ImageGraphWorker? worker))
            worker.Dispose();
        while (readers.TryTake(out ImageItemReader? reader))
            reader.Dispose();
        cache?.Dispose();
        graph.Dispose();
    }
}
