using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Weights [units × inputs] and biases [units] of one layer, their gradients, and AdamW's averages of them.
/// </summary>
internal sealed class MlpLayer(int units, int inputs)
{
    private const int Slice = 16_384;
    private readonly AlignedFloats first = new((long)units * inputs),
        second = new((long)units * inputs),
        biasFirst = new(units),
        biasSecond = new(units);

    public int Inputs => inputs;

    public AlignedFloats Weights { get; } = new((long)units * inputs);

    public AlignedFloats Bias { get; } = new(units);

    public AlignedFloats WeightGradient { get; } = new((long)units * inputs);

    public AlignedFloats BiasGradient { get; } = new(units);

    /// <summary>
    /// One step (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019): m ← 0.9·m + 0.1·g, v ← 0.999·v +
    /// 0.001·g², w ← w - rate·(m̂ / (√v̂ + 1e-8) + decay·w), m̂ and v̂ those divided by 1 - 0.9ᵗ and 1 - 0.999ᵗ; biases
    /// without decay. Clears the gradients.
    /// </summary>
    /// <param name="t">Number of the step, from 1.</param>
    /// <param name="rate">Learning rate.</param>
    /// <param name="decay">Weight decay.</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public void Step(int t, double rate, double decay, ParallelOptions parallel)
    {
        int length = Weights.Length,
            slices = (length + Slice - 1) / Slice;
        Parallel.For(
            0,
            slices,
            parallel,
            i =>
            {
                int start = i * Slice,
                    count = Math.Min(Slice, length - start);
                AdamW.Step(
                    Weights.Span.Slice(start, count),
                    WeightGradient.Span.Slice(start, count),
                    first.Span.Slice(start, count),
                    second.Span.Slice(start, count),
                    t,
                    rate,
                    decay
                );
            }
        );
        AdamW.Step(Bias.Span, BiasGradient.Span, biasFirst.Span, biasSecond.Span, t, rate, 0);
    }
}
