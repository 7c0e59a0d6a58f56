using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// One hidden layer of rectified units, its loss and its gradient on blocks of rows, by the kernels of softmax
/// regression. Hidden units are worked on in slices of fixed size, each by one thread, so that the result does not
/// depend on the threads.
/// </summary>
internal sealed unsafe class MlpNetwork
{
    /// <summary>Rows of a block.</summary>
    public const int Rows = 32;
    private const int Slice = 64;
    private readonly int classes,
        paddedWidth,
        paddedHidden,
        paddedClasses;
    private readonly ParallelOptions parallel;
    private readonly AlignedFloats hidden,
        active,
        output;
    private readonly int[] labels = new int[Rows];

    /// <param name="width">Features.</param>
    /// <param name="units">Hidden units.</param>
    /// <param name="classes">Classes.</param>
    /// <param name="parallel">Threads to use.</param>
    public MlpNetwork(int width, int units, int classes, ParallelOptions parallel)
    {
        (this.classes, this.parallel) = (classes, parallel);
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
    /// Logits of the block without dropout, less their bias's padding [classes × Rows]; returns Σ -ln p(true class)
    /// over the rows.
    /// </summary>
    public double Loss(ReadOnlySpan<int> truth) => Forward(truth, null);

    /// <summary>Adds the gradient of scale · Σ -ln p(true class) over the block's rows to the layers.</summary>
    /// <param name="truth">True classes [rows ≤ Rows].</param>
    /// <param name="mask">What each hidden unit of each row is multiplied by [padded hidden × Rows]; null for
    /// 1.</param>
    /// <param name="scale">1 / rows of the batch.</param>
    /// <returns>The sum of the losses, not scaled.</returns>
    public double AddGradient(ReadOnlySpan<int> truth, float[]? mask, float scale)
    {
        double loss = Forward(truth, mask);
        float* z = output.Pointer;
        for (int c = 0; c < paddedClasses; c++)
        for (int r = 0; r < Rows; r++)
            z[c * Rows + r] =
                c < classes && r < truth.Length ? scale * (z[c * Rows + r] - (labels[r] == c ? 1 : 0)) : 0;
        Gradient(active.Pointer, paddedHidden, z, paddedClasses, paddedHidden, Weights2, 0);
        Parallel.For(0, paddedHidden / Slice, parallel, slice => Backward(slice * Slice, mask));
        return loss;
    }

    /// <summary>Length of a mask.</summary>
    public int MaskLength => paddedHidden * Rows;

    private double Forward(ReadOnlySpan<int> truth, float[]? mask)
    {
        Array.Clear(labels);
        truth.CopyTo(labels);
        Parallel.For(0, paddedHidden / Slice, parallel, slice => Activate(slice * Slice, mask));
        Products(active.Pointer, paddedHidden, Weights2.Weights.Pointer, paddedHidden, paddedClasses, output.Pointer);
        float* values = stackalloc float[3 * Rows];
        fixed (int* labelled = labels)
        {
            if (Vector512.IsHardwareAccelerated)
                SoftmaxKernel<Lane512, Vector512<float>>.Probabilities(
                    output.Pointer,
                    Weights2.Bias.Pointer,
                    classes,
                    values,
                    values + Rows,
                    labelled,
                    values + (2 * Rows)
                );
            else
                SoftmaxKernel<Lane256, Vector256<float>>.Probabilities(
                    output.Pointer,
                    Weights2.Bias.Pointer,
                    classes,
                    values,
                    values + Rows,
                    labelled,
                    values + (2 * Rows)
                );
        }

        double loss = 0;
        for (int r = 0; r < truth.Length; r++)
            loss += Math.Log(values[Rows + r]) + values[r] - values[(2 * Rows) + r];
        return loss;
    }

    private void Activate(int start, float[]? mask)
    {
        float* z = hidden.Pointer + start * Rows;
        Products(Input.Pointer, Stride, Weights1.Weights.Pointer + (nint)start * paddedWidth, paddedWidth, Slice, z);
        for (int h = 0; h < Slice; h++)
        for (int r = 0; r < Rows; r++)
            active.Pointer[r * paddedHidden + start + h] =
                MathF.Max(0, z[h * Rows + r] + Weights1.Bias.Pointer[start + h])
                * (mask is null ? 1 : mask[(start + h) * Rows + r]);
    }

    private void Backward(int start, float[]? mask)
    {
        float* z = hidden.Pointer + start * Rows;
        for (int h = 0; h < Slice; h++)
        {
            for (int r = 0; r < Rows; r++)
                z[h * Rows + r] = 0;
            for (int c = 0; c < classes; c++)
            {
                float weight = Weights2.Weights.Pointer[c * paddedHidden + start + h];
                for (int r = 0; r < Rows; r++)
                    z[h * Rows + r] += weight * output.Pointer[c * Rows + r];
            }

            for (int r = 0; r < Rows; r++)
                z[h * Rows + r] *=
                    active.Pointer[r * paddedHidden + start + h] > 0
                        ? mask is null
                            ? 1
                            : mask[(start + h) * Rows + r]
                        : 0;
        }

        Gradient(Input.Pointer, Stride, z, Slice, paddedWidth, Weights1, start);
    }

    private static void Products(float* x, nint stride, float* w, nint width, int units, float* z)
    {
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Logits(x, stride, Rows, w, width, units, z);
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Logits(x, stride, Rows, w, width, units, z);
    }

    private static void Gradient(
        float* x,
        nint stride,
        float* residual,
        int units,
        nint width,
        MlpLayer layer,
        int start
    )
    {
        float* g = layer.WeightGradient.Pointer + start * width;
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Gradient(x, stride, Rows, residual, units, width, g);
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Gradient(x, stride, Rows, residual, units, width, g);
        for (int u = 0; u < units; u++)
        for (int r = 0; r < Rows; r++)
            layer.BiasGradient.Pointer[start + u] += residual[u * Rows + r];
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
