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

/// <summary>
/// Consecutive rows of one fold that one thread works through, with its own room for partial sums; so the sums do not
/// depend on the threads.
/// </summary>
/// <param name="Start">First row of the design.</param>
/// <param name="Rows">Rows, a multiple of 4.</param>
/// <param name="Fold">The fold they are held out in; <see cref="SoftmaxDesign.NoFold"/> where never.</param>
/// <param name="Weight">Sum of the rows' weights.</param>
/// <param name="Buffer">Logits and residuals of one block [classes × block].</param>
internal sealed record RowChunk(int Start, int Rows, int Fold, double Weight, AlignedFloats Buffer);

/// <summary>One minimisation over the rows outside a fold.</summary>
internal sealed class SoftmaxModel
{
    // On backbone features twenty pairs of vectors saved a third of the time that ten took; thirty saved no more.
    private const int History = 20;
    private readonly SoftmaxDesign design;

    public SoftmaxModel(SoftmaxDesign design, int heldOut)
    {
        (this.design, HeldOut) = (design, heldOut);
        Optimiser = new Lbfgs(design.ModelLength, History);
        Partial = new AlignedFloats[design.Chunks.Count];
        PartialLoss = new double[design.Chunks.Count];
        for (int i = 0; i < Partial.Length; i++)
        {
            if (design.Chunks[i].Fold == heldOut && heldOut != SoftmaxDesign.NoFold)
                continue;
            Partial[i] = new AlignedFloats(design.ModelLength);
            TrainedWeight += design.Chunks[i].Weight;
        }

        design.StartingBias.CopyTo(Optimiser.Trial.Span[design.WeightLength..]);
    }

    /// <summary>The fold whose rows are left out, or <see cref="SoftmaxDesign.NoFold"/>.</summary>
    public int HeldOut { get; }

    public Lbfgs Optimiser { get; }

    public double L2 { get; private set; }

    /// <summary>Sum of the weights of the rows it is fitted on.</summary>
    public double TrainedWeight { get; }

    /// <summary>Gradient sums per chunk, null for chunks left out.</summary>
    public AlignedFloats?[] Partial { get; }

    /// <summary>Loss sums per chunk.</summary>
    public double[] PartialLoss { get; }

    public ReadOnlySpan<float> Weights => Optimiser.Trial.Span[..design.WeightLength];

    public ReadOnlySpan<float> Bias => Optimiser.Trial.Span.Slice(design.WeightLength, design.Classes);

    /// <summary>
    /// Starts or goes on with another penalty, from the present weights and with the present knowledge of the
    /// curvature.
    /// </summary>
    public void Start(double l2, double tolerance, int maxIterations)
    {
        Optimiser.AddQuadratic(l2 - L2, design.WeightLength);
        L2 = l2;
        Optimiser.Start(tolerance, maxIterations);
    }

    /// <summary>Adds up one slice of the gradient, chunks in their order, in double: Σ / Σ weight + L2·W.</summary>
    public void Reduce(int start, int count)
    {
        Span<float> gradient = Optimiser.Gradient.Span.Slice(start, count);
        Span<double> sums = stackalloc double[count];
        sums.Clear();
        foreach (AlignedFloats? partial in Partial)
        {
            if (partial is null)
                continue;
            ReadOnlySpan<float> part = partial.Span.Slice(start, count);
            for (int i = 0; i < sums.Length && i < part.Length; i++)
                sums[i] += part[i];
        }

        ReadOnlySpan<float> trial = Optimiser.Trial.Span.Slice(start, count);
        for (int i = 0; i < count; i++)
            gradient[i] = (float)(sums[i] / TrainedWeight + (start + i < design.WeightLength ? L2 * trial[i] : 0));
    }

    /// <summary>Hands the objective at the trial point to the optimiser; the gradient has been reduced.</summary>
    public void Advance()
    {
        double loss = 0;
        foreach (double part in PartialLoss)
            loss += part;
        double penalty = L2 / 2 * Simd.DotWide(Weights, Weights);
        // p(1 - p) at equal probabilities is the curvature of the cross-entropy along one uncorrelated standardised
        // feature.
        double p = 1.0 / design.Classes;
        Optimiser.Advance(loss / TrainedWeight + penalty, 1 / (L2 + p * (1 - p)));
    }
}

/// <summary>The work of one thread on one chunk.</summary>
internal readonly struct ChunkWork(SoftmaxDesign design, RowChunk chunk)
{
    private const int Block = SoftmaxKernel.Rows;

    public void Train(SoftmaxModel[] models, int index)
    {
        foreach (SoftmaxModel model in models)
        {
            model.Partial[index]?.Span.Clear();
            model.PartialLoss[index] = 0;
        }

        for (int row = 0; row < chunk.Rows; row += Block)
            foreach (SoftmaxModel model in models)
                if (model.Partial[index] is { } partial)
                    model.PartialLoss[index] += TrainBlock(
                        model,
                        partial,
                        chunk.Start + row,
                        Math.Min(Block, chunk.Rows - row)
                    );
    }

    /// <returns>Logits [rows × classes], row-major.</returns>
    public float[] Logits(SoftmaxModel model)
    {
        var logits = new float[chunk.Rows * design.Classes];
        ReadOnlySpan<float> z = chunk.Buffer.Span,
            bias = model.Bias;
        for (int row = 0; row < chunk.Rows; row += Block)
        {
            int rows = Math.Min(Block, chunk.Rows - row);
            Logits(model, chunk.Start + row, rows);
            for (int i = 0; i < rows; i++)
            for (int c = 0; c < design.Classes; c++)
                logits[((row + i) * design.Classes) + c] = z[(c * Block) + i] + bias[c];
        }

        return logits;
    }

    private double TrainBlock(SoftmaxModel model, AlignedFloats partial, int start, int rows)
    {
        Span<float> values = stackalloc float[3 * Block],
            z = chunk.Buffer.Span,
            bias = partial.Span[design.WeightLength..];
        Forward(model, start, rows, values);
        ReadOnlySpan<float> weights = design.Weights.AsSpan(start, rows);
        double loss = 0;
        for (int i = 0; i < rows; i++)
        {
            loss += weights[i] * (Math.Log(values[Block + i]) + values[i] - values[(2 * Block) + i]);
            z[(design.Labels[start + i] * Block) + i] -= 1;
        }

        for (int c = 0; c < design.Classes; c++)
        {
            Span<float> residuals = z.Slice(c * Block, rows);
            double sum = 0;
            for (int i = 0; i < rows; i++)
                sum += residuals[i] *= weights[i];
            bias[c] += (float)sum;
        }

        SoftmaxKernel.Gradient(
            design.X.Span[(start * design.Stride)..],
            design.Stride,
            rows,
            z,
            design.PaddedClasses,
            design.PaddedWidth,
            partial.Span
        );
        return loss;
    }

    private void Forward(SoftmaxModel model, int start, int rows, Span<float> values)
    {
        Logits(model, start, rows);
        SoftmaxKernel.Probabilities(
            chunk.Buffer.Span,
            model.Bias,
            design.Classes,
            design.Labels.AsSpan(start, Block),
            values
        );
    }

    private void Logits(SoftmaxModel model, int start, int rows) =>
        SoftmaxKernel.Logits(
            design.X.Span[(start * design.Stride)..],
            design.Stride,
            rows,
            model.Weights,
            design.PaddedWidth,
            design.PaddedClasses,
            chunk.Buffer.Span
        );
}
