using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// The three stages of softmax regression on a block of rows that stays in the cache between them: logits, residuals,
/// gradient. Class-major buffers [classes × <see cref="Rows"/>] let the softmax run on a whole vector of rows at once
/// whatever the number of classes.
/// </summary>
internal static class SoftmaxKernel
{
    /// <summary>Rows of a full block; a multiple of every vector's length.</summary>
    public const int Rows = 32;

    /// <summary>z[c, r] = Σ w[c, d] · x[r, d].</summary>
    /// <param name="x">Rows [rows × stride]; rows a multiple of 4.</param>
    /// <param name="stride">Floats from one row of x to the next.</param>
    /// <param name="rows">Rows of this block.</param>
    /// <param name="w">Weights [classes × width]; classes even, width a multiple of 4 vectors.</param>
    /// <param name="width">Features, padding included.</param>
    /// <param name="classes">Classes, padding included.</param>
    /// <param name="z">Receives the logits [classes × Rows].</param>
    public static void Logits(
        ReadOnlySpan<float> x,
        int stride,
        int rows,
        ReadOnlySpan<float> w,
        int width,
        int classes,
        Span<float> z
    )
    {
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Logits(x, stride, rows, w, width, classes, z);
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Logits(x, stride, rows, w, width, classes, z);
    }

    /// <summary>
    /// Turns logits without bias into probabilities, in place; gives the logarithm's parts for the loss.
    /// </summary>
    /// <param name="z">Logits [classes × Rows]; becomes the probabilities.</param>
    /// <param name="bias">Biases [classes].</param>
    /// <param name="classes">Classes, no padding.</param>
    /// <param name="labels">True class of each row [Rows].</param>
    /// <param name="values">Receives the highest logit of each row, Σ exp(z - highest) and the logit of the true class
    /// [3 × Rows].</param>
    public static void Probabilities(
        Span<float> z,
        ReadOnlySpan<float> bias,
        int classes,
        ReadOnlySpan<int> labels,
        Span<float> values
    )
    {
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Probabilities(z, bias, classes, labels, values);
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Probabilities(z, bias, classes, labels, values);
    }

    /// <summary>g[c, d] += Σ residual[c, r] · x[r, d].</summary>
    /// <param name="x">Rows [rows × stride].</param>
    /// <param name="stride">Floats from one row of x to the next.</param>
    /// <param name="rows">Rows of this block.</param>
    /// <param name="residual">Residuals [classes × Rows].</param>
    /// <param name="classes">Classes, padding included.</param>
    /// <param name="width">Features, padding included.</param>
    /// <param name="g">The gradient [classes × width].</param>
    public static void Gradient(
        ReadOnlySpan<float> x,
        int stride,
        int rows,
        ReadOnlySpan<float> residual,
        int classes,
        int width,
        Span<float> g
    )
    {
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Gradient(x, stride, rows, residual, classes, width, g);
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Gradient(x, stride, rows, residual, classes, width, g);
    }
}

/// <summary>
/// The stages of <see cref="SoftmaxKernel"/> at one vector width. Each cuts its spans to what it reads and writes: that
/// checks their lengths once, and the loops over vectors go without checks.
/// </summary>
file static class SoftmaxKernel<TLane, T>
    where TLane : struct, ILane<T>
    where T : struct
{
    private const int Rows = SoftmaxKernel.Rows;

    // In tiles of 4 rows and 2 classes: 8 independent sums hide the latency of the multiply-add.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Logits(
        ReadOnlySpan<float> x,
        nint stride,
        int rows,
        ReadOnlySpan<float> w,
        nint width,
        int classes,
        Span<float> z
    )
    {
        ref float firstX = ref MemoryMarshal.GetReference(x[..(int)(((rows - 1) * stride) + width)]),
            firstW = ref MemoryMarshal.GetReference(w[..(int)(classes * width)]);
        for (int r = 0; r < rows; r += 4)
        {
            for (int c = 0; c < classes; c += 2)
            {
                ref float x0 = ref Unsafe.Add(ref firstX, r * stride),
                    x1 = ref Unsafe.Add(ref x0, stride),
                    x2 = ref Unsafe.Add(ref x1, stride),
                    x3 = ref Unsafe.Add(ref x2, stride),
                    w0 = ref Unsafe.Add(ref firstW, c * width),
                    w1 = ref Unsafe.Add(ref w0, width);
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
                    T u = TLane.Load(ref w0, d),
                        v = TLane.Load(ref w1, d),
                        t0 = TLane.Load(ref x0, d),
                        t1 = TLane.Load(ref x1, d),
                        t2 = TLane.Load(ref x2, d),
                        t3 = TLane.Load(ref x3, d);
                    a0 = TLane.MultiplyAdd(u, t0, a0);
                    b0 = TLane.MultiplyAdd(v, t0, b0);
                    a1 = TLane.MultiplyAdd(u, t1, a1);
                    b1 = TLane.MultiplyAdd(v, t1, b1);
                    a2 = TLane.MultiplyAdd(u, t2, a2);
                    b2 = TLane.MultiplyAdd(v, t2, b2);
                    a3 = TLane.MultiplyAdd(u, t3, a3);
                    b3 = TLane.MultiplyAdd(v, t3, b3);
                }

                Span<float> za = z.Slice((c * Rows) + r, 4),
                    zb = z.Slice(((c + 1) * Rows) + r, 4);
                (za[0], za[1], za[2], za[3]) = (TLane.Sum(a0), TLane.Sum(a1), TLane.Sum(a2), TLane.Sum(a3));
                (zb[0], zb[1], zb[2], zb[3]) = (TLane.Sum(b0), TLane.Sum(b1), TLane.Sum(b2), TLane.Sum(b3));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Probabilities(
        Span<float> z,
        ReadOnlySpan<float> bias,
        int classes,
        ReadOnlySpan<int> labels,
        Span<float> values
    )
    {
        ref float first = ref MemoryMarshal.GetReference(z[..(classes * Rows)]);
        Span<float> max = values[..Rows],
            sum = values.Slice(Rows, Rows),
            target = values.Slice(2 * Rows, Rows);
        for (int v = 0; v < Rows; v += TLane.Count)
        {
            T top = TLane.Broadcast(float.NegativeInfinity),
                total = default;
            for (int c = 0; c < classes; c++)
            {
                T logit = TLane.Add(TLane.Load(ref first, (c * Rows) + v), TLane.Broadcast(bias[c]));
                TLane.Store(logit, ref first, (c * Rows) + v);
                top = TLane.Max(top, logit);
            }

            for (int r = v; r < v + TLane.Count; r++)
                target[r] = z[(labels[r] * Rows) + r];
            for (int c = 0; c < classes; c++)
            {
                T e = TLane.Exp(TLane.Subtract(TLane.Load(ref first, (c * Rows) + v), top));
                TLane.Store(e, ref first, (c * Rows) + v);
                total = TLane.Add(total, e);
            }

            TLane.Store(top, ref MemoryMarshal.GetReference(max), v);
            TLane.Store(total, ref MemoryMarshal.GetReference(sum), v);
            T scale = TLane.Divide(TLane.Broadcast(1), total);
            for (int c = 0; c < classes; c++)
            {
                T e = TLane.Load(ref first, (c * Rows) + v);
                TLane.Store(TLane.Multiply(e, scale), ref first, (c * Rows) + v);
            }
        }
    }

    // In tiles of 2 classes and 4 vectors of features.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gradient(
        ReadOnlySpan<float> x,
        nint stride,
        int rows,
        ReadOnlySpan<float> residual,
        int classes,
        nint width,
        Span<float> g
    )
    {
        ref float firstX = ref MemoryMarshal.GetReference(x[..(int)(((rows - 1) * stride) + width)]),
            firstResidual = ref MemoryMarshal.GetReference(residual[..(classes * Rows)]),
            firstG = ref MemoryMarshal.GetReference(g[..(int)(classes * width)]);
        int lane = TLane.Count;
        for (nint d = 0; d < width; d += 4 * lane)
        {
            for (int c = 0; c < classes; c += 2)
            {
                ref float ga = ref Unsafe.Add(ref firstG, (c * width) + d),
                    gb = ref Unsafe.Add(ref ga, width),
                    ra = ref Unsafe.Add(ref firstResidual, c * Rows),
                    rb = ref Unsafe.Add(ref ra, Rows);
                T a0 = TLane.Load(ref ga, 0),
                    a1 = TLane.Load(ref ga, lane),
                    a2 = TLane.Load(ref ga, 2 * lane),
                    a3 = TLane.Load(ref ga, 3 * lane);
                T b0 = TLane.Load(ref gb, 0),
                    b1 = TLane.Load(ref gb, lane),
                    b2 = TLane.Load(ref gb, 2 * lane),
                    b3 = TLane.Load(ref gb, 3 * lane);
                nint at = d;
                for (int r = 0; r < rows; r++, at += stride)
                {
                    T u = TLane.Broadcast(Unsafe.Add(ref ra, r)),
                        v = TLane.Broadcast(Unsafe.Add(ref rb, r));
                    T t0 = TLane.Load(ref firstX, at),
                        t1 = TLane.Load(ref firstX, at + lane),
                        t2 = TLane.Load(ref firstX, at + (2 * lane)),
                        t3 = TLane.Load(ref firstX, at + (3 * lane));
                    a0 = TLane.MultiplyAdd(u, t0, a0);
                    a1 = TLane.MultiplyAdd(u, t1, a1);
                    a2 = TLane.MultiplyAdd(u, t2, a2);
                    a3 = TLane.MultiplyAdd(u, t3, a3);
                    b0 = TLane.MultiplyAdd(v, t0, b0);
                    b1 = TLane.MultiplyAdd(v, t1, b1);
                    b2 = TLane.MultiplyAdd(v, t2, b2);
                    b3 = TLane.MultiplyAdd(v, t3, b3);
                }

                TLane.Store(a0, ref ga, 0);
                TLane.Store(a1, ref ga, lane);
                TLane.Store(a2, ref ga, 2 * lane);
                TLane.Store(a3, ref ga, 3 * lane);
                TLane.Store(b0, ref gb, 0);
                TLane.Store(b1, ref gb, lane);
                TLane.Store(b2, ref gb, 2 * lane);
                TLane.Store(b3, ref gb, 3 * lane);
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
