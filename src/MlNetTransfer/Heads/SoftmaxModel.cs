using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

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
