using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Training rows as the kernels read them: ordered by fold, so that a fold is left out by skipping chunks; padded to
/// whole tiles with rows that weigh 0 and features that are 0; and on cache lines.
/// </summary>
internal sealed class SoftmaxDesign
{
    /// <summary>The fold of rows that are never held out.</summary>
    public const int NoFold = -1;

    /// <param name="rows">Number of rows.</param>
    /// <param name="width">Features per row.</param>
    /// <param name="fill">Writes one row's features [width]; called once per row, from several threads.</param>
    /// <param name="labels">Labels [rows].</param>
    /// <param name="weights">What each row counts [rows].</param>
    /// <param name="fold">The fold of each row [rows].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="parallel">Threads to use.</param>
    public SoftmaxDesign(
        int rows,
        int width,
        Action<int, Memory<float>> fill,
        int[] labels,
        float[] weights,
        int[] fold,
        int classes,
        ParallelOptions parallel
    )
    {
        (Width, Classes) = (width, classes);
        PaddedWidth = (width + 63) / 64 * 64;
        // One line more than whole tiles: rows a power of two apart would fall into the same few sets of the cache.
        Stride = PaddedWidth + 16;
        PaddedClasses = (classes + 1) / 2 * 2;
        var source = new List<int>();
        foreach (
            IGrouping<int, int> group in Enumerable.Range(0, rows).GroupBy(row => fold[row]).OrderBy(group => group.Key)
        )
        foreach (int[] part in Parts([.. group]))
            Add(part, group.Key, weights, source);
        (Labels, Weights, X) = (
            new int[source.Count + 32],
            new float[source.Count + 32],
            new AlignedFloats((long)(source.Count + 32) * Stride)
        );
        Parallel.For(
            0,
            source.Count,
            parallel,
            i =>
            {
                if (source[i] < 0)
                    return;
                (Labels[i], Weights[i]) = (labels[source[i]], weights[source[i]]);
                fill(source[i], X.Memory.Slice(i * Stride, width));
            }
        );
        StartingBias = LogShares();
    }

    public AlignedFloats X { get; }

    public int[] Labels { get; }

    public float[] Weights { get; }

    public int Width { get; }

    public int PaddedWidth { get; }

    public int Stride { get; }

    public int Classes { get; }

    public int PaddedClasses { get; }

    /// <summary>Floats of one model: weights [padded classes × padded width], biases [padded classes].</summary>
    public int ModelLength => PaddedClasses * (PaddedWidth + 1);

    /// <summary>Floats of the weights alone.</summary>
    public int WeightLength => PaddedClasses * PaddedWidth;

    /// <summary>ln(share of each class), less their mean [classes]: the minimum without weights.</summary>
    public float[] StartingBias { get; }

    public List<RowChunk> Chunks { get; } = [];

    private float[] LogShares()
    {
        var shares = new double[Classes];
        for (int i = 0; i < Labels.Length; i++)
            shares[Labels[i]] += Weights[i];
        double mean = shares.Average(Math.Log);
        return [.. shares.Select(share => (float)(Math.Log(share) - mean))];
    }

    // The number of parts follows from the data alone, never from the machine. Every part has its own gradient sums:
    // fewer parts where those are large.
    private IEnumerable<int[]> Parts(int[] rows)
    {
        int parts = Math.Clamp(rows.Length / 96, 1, Math.Clamp((1 << 22) / ModelLength, 1, 8));
        for (int p = 0; p < parts; p++)
            yield return rows[(int)((long)rows.Length * p / parts)..(int)((long)rows.Length * (p + 1) / parts)];
    }

    private void Add(int[] part, int fold, float[] weights, List<int> source)
    {
        int padded = (part.Length + 3) / 4 * 4;
        Chunks.Add(
            new RowChunk(
                source.Count,
                padded,
                fold,
                part.Sum(row => (double)weights[row]),
                new AlignedFloats(PaddedClasses * 32)
            )
        );
        source.AddRange(part);
        source.AddRange(Enumerable.Repeat(-1, padded - part.Length));
    }
}
