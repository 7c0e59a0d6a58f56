using System.Numerics;
using System.Runtime.InteropServices;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// One hidden layer of rectified units, its loss and its gradient on blocks of rows, by the kernels of softmax
/// regression. Hidden units are worked on in slices of fixed size, each by one thread, so that the result does not
/// depend on the threads.
/// </summary>
internal sealed class MlpNetwork
{
    /// <summary>Rows of a block.</summary>
    public const int Rows = SoftmaxKernel.Rows;
    private const int Slice = 64;
    private readonly int classes,
        paddedWidth,
        paddedHidden,
        paddedClasses;
    private readonly float[]? weight;
    private readonly ParallelOptions parallel;
    private readonly AlignedFloats hidden,
        active,
        output;
    private readonly int[] labels = new int[Rows];

    /// <param name="width">Features.</param>
    /// <param name="units">Hidden units.</param>
    /// <param name="classes">Classes.</param>
    /// <param name="weight">What a row of each class counts [classes]; null: 1.</param>
    /// <param name="parallel">Threads to use.</param>
    public MlpNetwork(int width, int units, int classes, double[]? weight, ParallelOptions parallel)
    {
        (this.classes, this.parallel) = (classes, parallel);
        this.weight = weight is null ? null : Array.ConvertAll(weight, value => (float)value);
        (paddedWidth, paddedHidden, paddedClasses) = (
            (width + 63) / 64 * 64,
            (units + 63) / 64 * 64,
            (classes + 1) / 2 * 2
        );
        Stride = paddedWidth + 16;
        Weights1 = new MlpLayer(paddedHidden, paddedWidth);
        Weights2 = new MlpLayer(paddedClasses, paddedHidden);
        (hidden, active, output) = (
            new AlignedFloats(paddedHidden * Rows),
            new AlignedFloats(Rows * paddedHidden),
            new AlignedFloats(paddedClasses * Rows)
        );
        Input = new AlignedFloats(Rows * Stride);
    }

    /// <summary>Floats from one row of the input to the next.</summary>
    public int Stride { get; }

    /// <summary>Where the caller puts a block of rows [Rows × Stride], 0 beyond the features.</summary>
    public AlignedFloats Input { get; }

    /// <summary>From features to hidden units.</summary>
    public MlpLayer Weights1 { get; }

    /// <summary>From hidden units to classes.</summary>
    public MlpLayer Weights2 { get; }

    /// <summary>
    /// Logits of the block without dropout, less their bias's padding [classes × Rows]; returns Σ -w·ln p(true class)
    /// over the rows.
    /// </summary>
    public double Loss(ReadOnlySpan<int> truth) => Forward(truth, null);

    /// <summary>Adds the gradient of scale · Σ -w·ln p(true class) over the block's rows to the layers.</summary>
    /// <param name="truth">True classes [rows ≤ Rows].</param>
    /// <param name="mask">What each hidden unit of each row is multiplied by [padded hidden × Rows]; null for
    /// 1.</param>
    /// <param name="scale">1 / rows of the batch.</param>
    /// <returns>The sum of the losses, not scaled.</returns>
    public double AddGradient(ReadOnlySpan<int> truth, float[]? mask, float scale)
    {
        double loss = Forward(truth, mask);
        Span<float> z = output.Span;
        for (int c = 0; c < paddedClasses; c++)
        for (int r = 0; r < Rows; r++)
            z[c * Rows + r] =
                c < classes && r < truth.Length
                    ? scale * Weight(labels[r]) * (z[c * Rows + r] - (labels[r] == c ? 1 : 0))
                    : 0;
        Gradient(active.Span, paddedHidden, z, paddedClasses, paddedHidden, Weights2, 0);
        Parallel.For(0, paddedHidden / Slice, parallel, slice => Backward(slice * Slice, mask));
        return loss;
    }

    /// <summary>Length of a mask.</summary>
    public int MaskLength => paddedHidden * Rows;

    private float Weight(int label) => weight?[label] ?? 1;

    private double Forward(ReadOnlySpan<int> truth, float[]? mask)
    {
        Array.Clear(labels);
        truth.CopyTo(labels);
        Parallel.For(0, paddedHidden / Slice, parallel, slice => Activate(slice * Slice, mask));
        SoftmaxKernel.Logits(
            active.Span,
            paddedHidden,
            Rows,
            Weights2.Weights.Span,
            paddedHidden,
            paddedClasses,
            output.Span
        );
        Span<float> values = stackalloc float[3 * Rows];
        SoftmaxKernel.Probabilities(output.Span, Weights2.Bias.Span, classes, labels, values);
        double loss = 0;
        for (int r = 0; r < truth.Length; r++)
            loss += Weight(truth[r]) * (Math.Log(values[Rows + r]) + values[r] - values[(2 * Rows) + r]);
        return loss;
    }

    private void Activate(int start, float[]? mask)
    {
        Span<float> z = hidden.Span.Slice(start * Rows, Slice * Rows),
            units = active.Span[start..];
        ReadOnlySpan<float> weights = Weights1.Weights.Span[(start * paddedWidth)..],
            bias = Weights1.Bias.Span.Slice(start, Slice);
        SoftmaxKernel.Logits(Input.Span, Stride, Rows, weights, paddedWidth, Slice, z);
        for (int h = 0; h < Slice; h++)
        for (int r = 0; r < Rows; r++)
            units[r * paddedHidden + h] =
                MathF.Max(0, z[h * Rows + r] + bias[h]) * (mask is null ? 1 : mask[(start + h) * Rows + r]);
    }

    private void Backward(int start, float[]? mask)
    {
        Span<float> hiddenGradient = hidden.Span.Slice(start * Rows, Slice * Rows);
        ReadOnlySpan<float> units = active.Span[start..],
            weights = Weights2.Weights.Span[start..],
            residual = output.Span;
        for (int h = 0; h < Slice; h++)
        {
            Span<float> z = hiddenGradient.Slice(h * Rows, Rows);
            z.Clear();
            for (int c = 0; c < classes; c++)
            {
                float weight = weights[c * paddedHidden + h];
                ReadOnlySpan<float> row = residual.Slice(c * Rows, Rows);
                for (int r = 0; r < Rows; r++)
                    z[r] += weight * row[r];
            }

            for (int r = 0; r < Rows; r++)
                z[r] *=
                    units[r * paddedHidden + h] > 0
                        ? mask is null
                            ? 1
                            : mask[(start + h) * Rows + r]
                        : 0;
        }

        Gradient(Input.Span, Stride, hiddenGradient, Slice, paddedWidth, Weights1, start);
    }

    private static void Gradient(
        ReadOnlySpan<float> x,
        int stride,
        ReadOnlySpan<float> residual,
        int units,
        int width,
        MlpLayer layer,
        int start
    )
    {
        SoftmaxKernel.Gradient(x, stride, Rows, residual, units, width, layer.WeightGradient.Span[(start * width)..]);
        Span<float> bias = layer.BiasGradient.Span.Slice(start, units);
        for (int u = 0; u < units; u++)
        for (int r = 0; r < Rows; r++)
            bias[u] += residual[u * Rows + r];
    }
}

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

/// <summary>The update of AdamW; see <see cref="MlpLayer.Step"/>.</summary>
internal static class AdamW
{
    private const float Beta1 = 0.9f,
        Beta2 = 0.999f,
        Epsilon = 1e-8f;

    /// <summary>Updates the parameters and clears their gradient.</summary>
    public static void Step(
        Span<float> parameters,
        Span<float> gradient,
        Span<float> first,
        Span<float> second,
        int t,
        double rate,
        double decay
    )
    {
        float scale1 = (float)(rate / (1 - Math.Pow(Beta1, t))),
            scale2 = (float)(1 / (1 - Math.Pow(Beta2, t))),
            keep = (float)(1 - rate * decay);
        Span<Vector<float>> w = MemoryMarshal.Cast<float, Vector<float>>(parameters),
            g = MemoryMarshal.Cast<float, Vector<float>>(gradient);
        Span<Vector<float>> m = MemoryMarshal.Cast<float, Vector<float>>(first),
            v = MemoryMarshal.Cast<float, Vector<float>>(second);
        var epsilon = new Vector<float>(Epsilon);
        for (int i = 0; i < w.Length; i++)
        {
            m[i] = Beta1 * m[i] + (1 - Beta1) * g[i];
            v[i] = Beta2 * v[i] + (1 - Beta2) * g[i] * g[i];
            w[i] = keep * w[i] - scale1 * m[i] / (Vector.SquareRoot(scale2 * v[i]) + epsilon);
        }

        for (int i = w.Length * Vector<float>.Count; i < parameters.Length; i++)
        {
            first[i] = Beta1 * first[i] + (1 - Beta1) * gradient[i];
            second[i] = Beta2 * second[i] + (1 - Beta2) * gradient[i] * gradient[i];
            parameters[i] = keep * parameters[i] - scale1 * first[i] / (MathF.Sqrt(scale2 * second[i]) + Epsilon);
        }

        gradient.Clear();
    }
}
