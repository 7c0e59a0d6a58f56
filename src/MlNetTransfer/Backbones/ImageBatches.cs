using System.Collections.Concurrent;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Large batches for a device: workers fill them ahead, one thread runs them. Batch b holds images b·size to (b+1)·size
/// - 1, whoever decodes them.
/// </summary>
internal sealed class ImageBatches
{
    private readonly ImageGraph graph;
    private readonly ImageRunState state;
    private readonly ImageBatch[] ring;
    private readonly BlockingCollection<ImageBatch> ready = [];
    private readonly int size;

    public ImageBatches(ImageGraph graph, ImageRunState state)
    {
        (this.graph, this.state, size) = (graph, state, graph.Plan.BatchSize);
        int batches = (state.Count + size - 1) / size;
        ring =
        [
            .. Enumerable
                .Range(0, Math.Min(graph.Plan.BatchesInFlight, batches))
                .Select(first => new ImageBatch(graph, first)),
        ];
        foreach (ImageBatch batch in ring)
            batch.Begin(CountOf(batch.Number));
    }

    /// <summary>Decodes images into their places until none is left.</summary>
    public void Fill(CancellationToken cancellation)
    {
        using var preprocessor = new ImagePreprocessor(graph.Preprocessing, graph.Limits);
        using var reader = new ImageItemReader(graph.Limits);
        while (state.Next(out int index))
        {
            ImageBatch batch = ring[index / size % ring.Length];
            batch.WaitFor(index / size, cancellation);
            if (batch.Finish(index % size, Decode(index, batch.Input(index % size), preprocessor, reader)))
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
                ImageBatch batch = ready.Take(cancellation);
                batch.Run();
                for (int place = 0; place < CountOf(batch.Number); place++)
                    Deliver(batch, place);
                batch.Next(ring.Length, CountOf(batch.Number + ring.Length));
            }
        }
        finally
        {
            foreach (ImageBatch batch in ring)
                batch.Dispose();
        }
    }

    private int CountOf(int number) => Math.Clamp(state.Count - number * size, 0, size);

    private bool Decode(int index, Span<float> input, ImagePreprocessor preprocessor, ImageItemReader reader)
    {
        if (!state.TryRead(index, reader, out ReadOnlySpan<byte> encoded))
            return false;
        try
        {
            preprocessor.Process(encoded, input);
            return true;
        }
        catch (ImageRejectedException e)
        {
            state.Reject(index, e.Reason);
            return false;
        }
    }

    private void Deliver(ImageBatch batch, int place)
    {
        int index = batch.Number * size + place;
        if (batch.IsFilled(place))
        {
            ReadOnlySpan<float> row = batch.Output(place);
            if (ImageGraphWorker.FirstNotFinite(row) is { } wrong)
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
