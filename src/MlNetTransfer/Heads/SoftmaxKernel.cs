using System.Runtime.CompilerServices;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// The three stages of softmax regression on a block of rows that stays in the cache between them: logits, residuals,
/// gradient. Class-major buffers [classes × <see cref="Rows"/>] let the softmax run on <c>Count</c> rows at once
/// whatever the number of classes.
/// </summary>
internal static unsafe class SoftmaxKernel<TLane, T>
    where TLane : struct, ILane<T>
    where T : struct
{
    /// <summary>Rows of a full block; a multiple of every vector's length.</summary>
    public const int Rows = 32;

    /// <summary>
    /// z[c, r] = Σ w[c, d] · x[r, d], in tiles of 4 rows and 2 classes: 8 independent sums hide the latency of the
    /// multiply-add.
    /// </summary>
    /// <param name="x">Rows [rows × stride]; rows a multiple of 4.</param>
    /// <param name="stride">Floats from one row of x to the next.</param>
    /// <param name="rows">Rows of this block.</param>
    /// <param name="w">Weights [classes × width]; classes even, width a multiple of 4 vectors.</param>
    /// <param name="width">Features, padding included.</param>
    /// <param name="classes">Classes, padding included.</param>
    /// <param name="z">Receives the logits [classes × Rows].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Logits(float* x, nint stride, int rows, float* w, nint width, int classes, float* z)
    {
        for (int r = 0; r < rows; r += 4, x += 4 * stride)
        {
            for (int c = 0; c < classes; c += 2)
            {
                float* x0 = x,
                    x1 = x + stride,
                    x2 = x1 + stride,
                    x3 = x2 + stride,
                    w0 = w + (c * width),
                    w1 = w0 + width;
                T a0 = default,
                    a1 = default,
                    a2 = default,
                    a3 = default,
                    b0 = default,
                    b1 = default,
                    b2 = default,
                    b3 = default;
                for (nint d = 0; d < width; d += TLane.Count)
                {
                    T u = TLane.Load(w0 + d),
                        v = TLane.Load(w1 + d),
                        t0 = TLane.Load(x0 + d),
                        t1 = TLane.Load(x1 + d),
                        t2 = TLane.Load(x2 + d),
                        t3 = TLane.Load(x3 + d);
                    a0 = TLane.MultiplyAdd(u, t0, a0);
                    b0 = TLane.MultiplyAdd(v, t0, b0);
                    a1 = TLane.MultiplyAdd(u, t1, a1);
                    b1 = TLane.MultiplyAdd(v, t1, b1);
                    a2 = TLane.MultiplyAdd(u, t2, a2);
                    b2 = TLane.MultiplyAdd(v, t2, b2);
                    a3 = TLane.MultiplyAdd(u, t3, a3);
                    b3 = TLane.MultiplyAdd(v, t3, b3);
                }

                float* za = z + (c * Rows) + r,
                    zb = za + Rows;
                (za[0], za[1], za[2], za[3]) = (TLane.Sum(a0), TLane.Sum(a1), TLane.Sum(a2), TLane.Sum(a3));
                (zb[0], zb[1], zb[2], zb[3]) = (TLane.Sum(b0), TLane.Sum(b1), TLane.Sum(b2), TLane.Sum(b3));
            }
        }
    }

    /// <summary>
    /// Turns logits without bias into probabilities, in place; returns the logarithm's parts for the loss.
    /// </summary>
    /// <param name="z">Logits [classes × Rows]; becomes the probabilities.</param>
    /// <param name="bias">Biases [classes].</param>
    /// <param name="classes">Classes, no padding.</param>
    /// <param name="max">Receives the highest logit of each row [Rows].</param>
    /// <param name="sum">Receives Σ exp(z - max) of each row [Rows].</param>
    /// <param name="labels">True class of each row [Rows].</param>
    /// <param name="target">Receives the logit of the true class of each row [Rows].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Probabilities(
        float* z,
        float* bias,
        int classes,
        float* max,
        float* sum,
        int* labels,
        float* target
    )
    {
        for (int v = 0; v < Rows; v += TLane.Count)
        {
            T top = TLane.Broadcast(float.NegativeInfinity),
                total = default;
            for (int c = 0; c < classes; c++)
            {
                T logit = TLane.Add(TLane.Load(z + (c * Rows) + v), TLane.Broadcast(bias[c]));
                TLane.Store(logit, z + (c * Rows) + v);
                top = TLane.Max(top, logit);
            }

            for (int r = v; r < v + TLane.Count; r++)
                target[r] = z[(labels[r] * Rows) + r];
            for (int c = 0; c < classes; c++)
            {
                T e = TLane.Exp(TLane.Subtract(TLane.Load(z + (c * Rows) + v), top));
                TLane.Store(e, z + (c * Rows) + v);
                total = TLane.Add(total, e);
            }

            TLane.Store(top, max + v);
            TLane.Store(total, sum + v);
            T scale = TLane.Divide(TLane.Broadcast(1), total);
            for (int c = 0; c < classes; c++)
                TLane.Store(TLane.Multiply(TLane.Load(z + (c * Rows) + v), scale), z + (c * Rows) + v);
        }
    }

    /// <summary>g[c, d] += Σ residual[c, r] · x[r, d], in tiles of 2 classes and 4 vectors of features.</summary>
    /// <param name="x">Rows [rows × stride].</param>
    /// <param name="stride">Floats from one row of x to the next.</param>
    /// <param name="rows">Rows of this block.</param>
    /// <param name="residual">Residuals [classes × Rows].</param>
    /// <param name="classes">Classes, padding included.</param>
    /// <param name="width">Features, padding included.</param>
    /// <param name="g">The gradient [classes × width].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient(float* x, nint stride, int rows, float* residual, int classes, nint width, float* g)
    {
        int lane = TLane.Count;
        for (nint d = 0; d < width; d += 4 * lane)
        {
            for (int c = 0; c < classes; c += 2)
            {
                float* ga = g + (c * width) + d,
                    gb = ga + width,
                    ra = residual + (c * Rows),
                    rb = ra + Rows,
                    row = x + d;
                T a0 = TLane.Load(ga),
                    a1 = TLane.Load(ga + lane),
                    a2 = TLane.Load(ga + (2 * lane)),
                    a3 = TLane.Load(ga + (3 * lane));
                T b0 = TLane.Load(gb),
                    b1 = TLane.Load(gb + lane),
                    b2 = TLane.Load(gb + (2 * lane)),
                    b3 = TLane.Load(gb + (3 * lane));
                for (int r = 0; r < rows; r++, row += stride)
                {
                    T u = TLane.Broadcast(ra[r]),
                        v = TLane.Broadcast(rb[r]);
                    T t0 = TLane.Load(row),
                        t1 = TLane.Load(row + lane),
                        t2 = TLane.Load(row + (2 * lane)),
                        t3 = TLane.Load(row + (3 * lane));
                    a0 = TLane.MultiplyAdd(u, t0, a0);
                    a1 = TLane.MultiplyAdd(u, t1, a1);
                    a2 = TLane.MultiplyAdd(u, t2, a2);
                    a3 = TLane.MultiplyAdd(u, t3, a3);
                    b0 = TLane.MultiplyAdd(v, t0, b0);
                    b1 = TLane.MultiplyAdd(v, t1, b1);
                    b2 = TLane.MultiplyAdd(v, t2, b2);
                    b3 = TLane.MultiplyAdd(v, t3, b3);
                }

                TLane.Store(a0, ga);
                TLane.Store(a1, ga + lane);
                TLane.Store(a2, ga + (2 * lane));
                TLane.Store(a3, ga + (3 * lane));
                TLane.Store(b0, gb);
                TLane.Store(b1, gb + lane);
                TLane.Store(b2, gb + (2 * lane));
                TLane.Store(b3, gb + (3 * lane));
            }
        }
    }
}

/// <summary>
/// One pass over the rows for several models at once: each block of rows is loaded once and used by all of them while
/// it is in the cache.
/// </summary>
internal sealed class SoftmaxPass(SoftmaxDesign design, ParallelOptions parallel)
{
    // A slice of the gradient that one thread adds up.
    private const int Slice = 2048;

    /// <summary>Steps all models until every one is done.</summary>
    /// <param name="models">The models, each started.</param>
    /// <param name="passed">Told after each pass.</param>
    public void Minimise(IReadOnlyList<SoftmaxModel> models, Action? passed = null)
    {
        for (
            SoftmaxModel[] active = [.. models];
            active.Length > 0;
            active = Array.FindAll(active, model => !model.Optimiser.Done)
        )
        {
            Evaluate(active);
            passed?.Invoke();
        }
    }

    /// <summary>The logits of every model on the rows it leaves out.</summary>
    public HeldOutLogits HeldOut(IReadOnlyList<SoftmaxModel> models)
    {
        var parts = new float[design.Chunks.Count][];
        Parallel.For(
            0,
            parts.Length,
            parallel,
            i =>
            {
                RowChunk chunk = design.Chunks[i];
                if (chunk.Fold != SoftmaxDesign.NoFold)
                    parts[i] = new ChunkWork(design, chunk).Logits(models[chunk.Fold]);
            }
        );
        var logits = new HeldOutLogits(design.Classes);
        for (int i = 0; i < parts.Length; i++)
        {
            RowChunk chunk = design.Chunks[i];
            for (int r = 0; parts[i] is not null && r < chunk.Rows; r++)
                if (design.Weights[chunk.Start + r] > 0)
                    logits.Add(
                        parts[i].AsSpan(r * design.Classes, design.Classes),
                        design.Labels[chunk.Start + r],
                        design.Weights[chunk.Start + r]
                    );
        }

        return logits;
    }

    /// <summary>Loss and gradient at the trial points, and the optimisers' next trial points.</summary>
    public void Evaluate(SoftmaxModel[] models)
    {
        Parallel.For(0, design.Chunks.Count, parallel, i => new ChunkWork(design, design.Chunks[i]).Train(models, i));
        int slices = (design.ModelLength + Slice - 1) / Slice;
        Parallel.For(
            0,
            slices * models.Length,
            parallel,
            i =>
            {
                int start = i % slices * Slice;
                models[i / slices].Reduce(start, Math.Min(Slice, design.ModelLength - start));
            }
        );
        Parallel.For(0, models.Length, parallel, i => models[i].Advance());
    }
}

/// <summary>The softmax of one row of logits.</summary>
internal static class Softmax
{
    /// <summary>exp(z - max) / Σ exp(z - max), summed in double.</summary>
    public static void InPlace(Span<float> logits)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = MathF.Max(max, logit);
        double sum = 0;
        for (int c = 0; c < logits.Length; c++)
            sum += logits[c] = MathF.Exp(logits[c] - max);
        float scale = (float)(1 / sum);
        for (int c = 0; c < logits.Length; c++)
            logits[c] *= scale;
    }
}
