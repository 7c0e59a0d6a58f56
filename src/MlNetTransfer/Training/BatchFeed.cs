using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;

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

    /// <summary>Computes what a training reads ahead, into the cache; nothing where there is none.</summary>
    /// <param name="run">The training.</param>
    /// <param name="epochs">Its epochs.</param>
    /// <param name="train">Its rows.</param>
    /// <param name="validation">Those that judge.</param>
    /// <param name="progress">Told after each.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    public void Warm(
        FineTuneRun run,
        int epochs,
        IReadOnlyList<int> train,
        IReadOnlyList<int> validation,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (!data.IsCached)
            return;
        IEnumerable<int> draws = run.Varies ? Enumerable.Range(1, Math.Min(run.Options.Draws, epochs)) : [0];
        Warm(
            [.. draws.SelectMany(draw => train.Select(row => (row, draw))), .. validation.Select(row => (row, 0))],
            progress,
            cancellation
        );
    }

    private void Warm(
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

/// <summary>
/// Targets [N, C] and row weights [N] of batches: label smoothing and class weights, made on the host.
/// </summary>
internal sealed class SoftTargets
{
    private readonly int[] labels;
    private readonly int classes;
    private readonly float[] weights;
    private readonly double smoothing;

    /// <param name="labels">Labels of all rows.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="train">The rows that are trained on.</param>
    /// <param name="classWeights">How much a row of each class counts.</param>
    /// <param name="smoothing">Share of a target that is spread over all classes.</param>
    public SoftTargets(int[] labels, int classes, IReadOnlyList<int> train, ClassWeights classWeights, double smoothing)
    {
        (this.labels, this.classes, this.smoothing) = (labels, classes, smoothing);
        weights = new float[classes];
        Array.Fill(weights, 1f);
        if (classWeights == ClassWeights.None)
            return;
        int[] counts = new int[classes];
        foreach (int row in train)
            counts[labels[row]]++;
        for (int c = 0; c < classes; c++)
            weights[c] = counts[c] == 0 ? 0 : (float)((double)train.Count / (classes * counts[c]));
    }

    /// <summary>The targets of a training.</summary>
    /// <param name="run">How it is done.</param>
    /// <param name="images">The images.</param>
    /// <param name="train">The rows that are trained on.</param>
    public static SoftTargets Of(FineTuneRun run, TrainingImages images, IReadOnlyList<int> train) =>
        new(images.Labels, images.ClassNames.Count, train, run.ClassWeights, run.Options.LabelSmoothing);

    /// <summary>Targets of a batch: 1 - s on the true class, and s / C on each.</summary>
    public float[] Of(ReadOnlySpan<int> rows)
    {
        float[] targets = new float[rows.Length * classes];
        Array.Fill(targets, (float)(smoothing / classes));
        for (int i = 0; i < rows.Length; i++)
            targets[i * classes + labels[rows[i]]] += (float)(1 - smoothing);
        return targets;
    }

    /// <summary>Weights of a batch's rows.</summary>
    public float[] Weights(ReadOnlySpan<int> rows)
    {
        float[] found = new float[rows.Length];
        for (int i = 0; i < rows.Length; i++)
            found[i] = weights[labels[rows[i]]];
        return found;
    }
}

/// <summary>Labelled images that can be used, with the digests they had when that was found out.</summary>
/// <param name="Items">The images [rows].</param>
/// <param name="Labels">Their labels [rows].</param>
/// <param name="Digests">SHA-256 of their bytes [rows × 32].</param>
/// <param name="ClassNames">Names of the classes.</param>
/// <param name="Groups">Rows of one id stand on the same side of a split [rows]; null where each stands alone.</param>
internal sealed record TrainingImages(
    IReadOnlyList<DataItem> Items,
    int[] Labels,
    byte[] Digests,
    IReadOnlyList<string> ClassNames,
    int[]? Groups
)
{
    /// <summary>SHA-256 of an image's bytes [32].</summary>
    public ReadOnlySpan<byte> Digest(int row) => Digests.AsSpan(row * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

    /// <summary>SHA-256 of some images' bytes [rows × 32].</summary>
    public byte[] DigestsOf(IReadOnlyList<int> rows)
    {
        var digests = new byte[rows.Count * SHA256.HashSizeInBytes];
        for (int i = 0; i < rows.Count; i++)
            Digest(rows[i]).CopyTo(digests.AsSpan(i * SHA256.HashSizeInBytes));
        return digests;
    }
}

/// <summary>Sets a part of the training rows aside that judges epochs and calibrates.</summary>
internal static class ValidationRows
{
    /// <summary>
    /// Divides rows into folds, class by class; groups stay together, or where there are none images that are byte for
    /// byte the same.
    /// </summary>
    /// <param name="images">All images.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="folds">Number of folds.</param>
    /// <returns>The fold of each row [rows]; of few rows some folds stay empty.</returns>
    public static int[] Folds(TrainingImages images, IReadOnlyList<int> rows, int folds)
    {
        string Digest(int i) => Convert.ToHexString(images.Digest(rows[i]));
        int[] fold = new int[rows.Count];
        int next = 0;
        foreach (
            IGrouping<string, int> together in Enumerable
                .Range(0, rows.Count)
                .OrderBy(i => images.Labels[rows[i]])
                .ThenBy(Digest, StringComparer.Ordinal)
                .GroupBy(i => images.Groups is { } groups ? $"{groups[rows[i]]}" : Digest(i))
        )
        {
            foreach (int i in together)
                fold[i] = next;
            next = (next + 1) % folds;
        }

        return fold;
    }

    /// <summary>
    /// A stratified draw that keeps groups together; classes that live in a single group stay in training whole.
    /// </summary>
    /// <remarks>
    /// It depends on the seed, the classes' names and the content of images and groups, not on the order in which they
    /// are listed.
    /// </remarks>
    /// <param name="images">All images.</param>
    /// <param name="rows">The training rows.</param>
    /// <param name="fraction">Share for validation.</param>
    /// <param name="seed">Equal seeds give equal parts.</param>
    /// <returns>Rows to fit on, and rows to validate on: none where every class has a single row or group.</returns>
    public static TrainTestRows Of(TrainingImages images, IReadOnlyList<int> rows, double fraction, int seed)
    {
        int[] labels = [.. rows.Select(r => images.Labels[r])];
        if (images.Groups is null)
        {
            TrainTestRows split = StratifiedSplit.TrainTest(
                labels,
                fraction,
                seed,
                images.ClassNames,
                images.DigestsOf(rows)
            );
            return new TrainTestRows([.. split.Train.Select(i => rows[i])], [.. split.Test.Select(i => rows[i])]);
        }

        int[] groups = [.. rows.Select(r => images.Groups[r])];
        HashSet<int> single =
        [
            .. Enumerable
                .Range(0, rows.Count)
                .GroupBy(i => labels[i])
                .Where(c => c.Select(i => groups[i]).Distinct().Count() < 2)
                .Select(c => c.Key),
        ];
        HashSet<int> tied =
        [
            .. Enumerable.Range(0, rows.Count).Where(i => single.Contains(labels[i])).Select(i => groups[i]),
        ];
        int[] free = [.. Enumerable.Range(0, rows.Count).Where(i => !tied.Contains(groups[i]))];
        HashSet<int> held = [.. Draw(images, [.. free.Select(i => rows[i])], fraction, seed)];
        return new TrainTestRows([.. rows.Where(row => !held.Contains(row))], [.. rows.Where(held.Contains)]);
    }

    /// <summary>The rows for validation, of rows whose classes all have two groups at least.</summary>
    private static IEnumerable<int> Draw(TrainingImages images, int[] rows, double fraction, int seed)
    {
        int[] labels = [.. rows.Select(r => images.Labels[r])],
            groups = [.. rows.Select(r => images.Groups![r])];
        if (groups.Distinct().Count() < 2)
            return [];
        byte[] digests = images.DigestsOf(rows);
        try
        {
            return StratifiedSplit
                .TrainTest(labels, groups, fraction, seed, images.ClassNames, digests)
                .Test.Select(i => rows[i]);
        }
        catch (TransferException)
        {
            // Groups of several classes tie some class to one side: whole groups at random then, without regard to
            // classes.
            int[] order = [.. new DrawOrder(labels, images.ClassNames, digests, groups).Ordered(groups).Distinct()];
            new Rng(seed).Shuffle<int>(order);
            HashSet<int> drawn = [.. order.Take(Math.Max(1, (int)(fraction * order.Length)))];
            HashSet<int> taught =
            [
                .. rows.Where(r => !drawn.Contains(images.Groups![r])).Select(r => images.Labels[r]),
            ];
            return labels.All(taught.Contains) ? rows.Where(r => drawn.Contains(images.Groups![r])) : [];
        }
    }
}
