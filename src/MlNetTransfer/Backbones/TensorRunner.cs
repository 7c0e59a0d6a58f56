using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Runs images that are preprocessed already through a graph: one thread reads them in their order, the workers of the plan run them. Memory for tensors is
/// two per worker, however many images there are.
/// </summary>
/// <param name="graph">The graph.</param>
/// <param name="cache">Rows known from before, looked up by the SHA-256 of the tensor.</param>
/// <param name="clock">Measures the wall time.</param>
internal sealed class TensorRunner(ImageGraph graph, IRowCache? cache = null, TimeProvider? clock = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs every image once.</summary>
    /// <param name="next">Gives the images; called from one thread.</param>
    /// <param name="stage">How this work is called in progress reports.</param>
    /// <param name="total">How many images there are, for the progress; 0 where it is not known.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>A row and a label for every image, in their order; none is rejected.</returns>
    /// <exception cref="TransferException">The graph gives a number that is not finite for an image, or there are more rows than one run can hold.</exception>
    public (ImageRows Rows, int[] Labels) Run(NextTensor next, string stage, long total, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        long started = clock.GetTimestamp();
        using var run = new TensorRun(next, graph, cache, count => progress?.Report(new JobProgress(stage, count, total)));
        using (var workers = new WorkerGroup(cancellation))
        {
            workers.Start(run.Read);
            for (int w = 0; w < graph.Plan.Workers; w++) workers.Start(run.Work);
            workers.Wait();
        }

        return run.Collect(clock.GetElapsedTime(started));
    }

    private sealed record Place(int Index, float[] Tensor, float[] Row, byte[] Digest);

    private sealed class TensorRun(NextTensor next, ImageGraph graph, IRowCache? cache, Action<int> done) : IDisposable
    {
        private readonly BlockingCollection<float[]> free = new(new ConcurrentBag<float[]>(Enumerable.Range(0, 2 * graph.Plan.Workers).Select(_ => new float[graph.Preprocessing.TensorLength])));
        private readonly BlockingCollection<Place> ready = [];
        private readonly List<float[]> rows = [];
        private readonly List<byte[]> digests = [];
        private readonly List<int> labels = [];
        private int finished;
        private int cached;

        public void Read(CancellationToken cancellation)
        {
            while (free.Take(cancellation) is var tensor && next(tensor, out int label))
            {
                if ((long)(rows.Count + 1) * graph.OutputWidth > Array.MaxLength)
                    throw new TransferException($"More than {rows.Count:N0} images with {graph.OutputWidth:N0} numbers each are more than one run can hold. Train on fewer, or take a narrower tap.");
                rows.Add(new float[graph.OutputWidth]);
                digests.Add(new byte[SHA256.HashSizeInBytes]);
                labels.Add(label);
                ready.Add(new Place(rows.Count - 1, tensor, rows[^1], digests[^1]), cancellation);
            }

            ready.CompleteAdding();
        }

        public void Work(CancellationToken cancellation)
        {
            using ImageGraphWorker worker = graph.CreateWorker();
            foreach (Place place in ready.GetConsumingEnumerable(cancellation))
            {
                SHA256.HashData(MemoryMarshal.AsBytes(place.Tensor.AsSpan()), place.Digest);
                if (cache is not null && cache.TryRead(place.Digest, place.Row)) Interlocked.Increment(ref cached);
                else
                {
                    try
                    {
                        worker.Run(place.Tensor, place.Row);
                    }
                    catch (ImageRejectedException e)
                    {
                        throw new TransferException($"Image {place.Index} (counted from 0) cannot be used: {e.Reason}. Its tensor must be finite, as the backbone's preprocessing gives it.", e);
                    }

                    cache?.Add(place.Digest, place.Row);
                }

                free.Add(place.Tensor, cancellation);
                done(Interlocked.Increment(ref finished));
            }
        }

        public (ImageRows Rows, int[] Labels) Collect(TimeSpan elapsed) => (new ImageRows
        {
            Accepted = [.. Enumerable.Range(0, rows.Count)],
            Values = Joined(rows, graph.OutputWidth),
            Width = graph.OutputWidth,
            Digests = Joined(digests, SHA256.HashSizeInBytes),
            Rejected = [],
            FromCache = cached,
            Elapsed = elapsed,
        }, [.. labels]);

        public void Dispose()
        {
            free.Dispose();
            ready.Dispose();
        }

        private static T[] Joined<T>(List<T[]> parts, int width)
        {
            var all = new T[parts.Count * width];
            for (int i = 0; i < parts.Count; i++) parts[i].CopyTo(all, i * width);
            return all;
        }
    }
}
