using MlNetTransfer.Backbones;

namespace MlNetTransfer.Training;

/// <summary>
/// Reads the batches of an epoch, each while the one before is trained on. What is in them does not depend on the
/// number of workers.
/// </summary>
internal sealed class BatchFeed : IDisposable
{
    private readonly TrainingImages images;
    private readonly BoundaryRows data;
    private readonly BoundaryReader[] readers;

    /// <param name="images">The images.</param>
    /// <param name="data">Where their rows come from.</param>
    /// <param name="workers">Rows read at a time.</param>
    public BatchFeed(TrainingImages images, BoundaryRows data, int workers)
    {
        (this.images, this.data) = (images, data);
        readers = new BoundaryReader[workers];
        for (int w = 0; w < workers; w++)
            readers[w] = data.CreateReader();
    }

    /// <summary>Computes rows ahead into the cache.</summary>
    /// <param name="wanted">Rows and variants.</param>
    /// <param name="progress">Told after each.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    public void Warm(
        IReadOnlyList<(int Row, int Draw)> wanted,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int next = -1,
            done = 0;
        using var group = new WorkerGroup(cancellation);
        foreach (BoundaryReader reader in readers)
            group.Start(token =>
            {
                float[] row = new float[data.Length];
                for (int i; (i = Interlocked.Increment(ref next)) < wanted.Count; )
                {
                    token.ThrowIfCancellationRequested();
                    reader.Read(images.Items[wanted[i].Row], images.Digest(wanted[i].Row), wanted[i].Draw, row);
                    progress?.Report(
                        new JobProgress("Computing the frozen part", Interlocked.Increment(ref done), wanted.Count)
                    );
                }
            });
        group.Wait();
    }

    /// <summary>The batches of an epoch, in order; the memory of a batch is used again two batches later.</summary>
    /// <param name="order">Rows in the order of the epoch.</param>
    /// <param name="size">Rows of a batch; the last may have fewer.</param>
    /// <param name="draw">Which variant.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    public IEnumerable<(int[] Rows, float[] Values)> Batches(
        int[] order,
        int size,
        int draw,
        CancellationToken cancellation
    )
    {
        int[][] batches = [.. order.Chunk(size)];
        float[][] memory = [new float[batches[0].Length * data.Length], new float[batches[0].Length * data.Length]];
        Task ahead = Start(0);
        try
        {
            for (int b = 0; b < batches.Length; b++)
            {
                ahead.GetAwaiter().GetResult();
                ahead = b + 1 < batches.Length ? Start(b + 1) : Task.CompletedTask;
                yield return (batches[b], memory[b % 2]);
            }
        }
        finally
        {
            // The readers are in use until the task ends, whatever ended the epoch.
            ((IAsyncResult)ahead).AsyncWaitHandle.WaitOne();
        }

        Task Start(int batch) =>
            Task.Factory.StartNew(
                () => Read(batches[batch], memory[batch % 2], draw, cancellation),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default
            );
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (BoundaryReader reader in readers)
            reader?.Dispose();
    }

    private void Read(int[] rows, float[] values, int draw, CancellationToken cancellation)
    {
        int next = -1;
        using var group = new WorkerGroup(cancellation);
        foreach (BoundaryReader reader in readers.Take(rows.Length))
            group.Start(token =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) < rows.Length; )
                {
                    token.ThrowIfCancellationRequested();
                    reader.Read(
                        images.Items[rows[i]],
                        images.Digest(rows[i]),
                        draw,
                        values.AsSpan(i * data.Length, data.Length)
                    );
                }
            });
        group.Wait();
    }
}
