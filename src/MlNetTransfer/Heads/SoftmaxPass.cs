using System.Runtime.Intrinsics;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>One pass over the rows for several models at once: each block of rows is loaded once and used by all of them while it is in the cache.</summary>
internal sealed class SoftmaxPass(SoftmaxDesign design, ParallelOptions parallel)
{
    private const int Block = 32;

    // A slice of the gradient that one thread adds up.
    private const int Slice = 2048;

    /// <summary>Steps all models until every one is done.</summary>
    /// <param name="models">The models, each started.</param>
    /// <param name="passed">Told after each pass.</param>
    public void Minimise(IReadOnlyList<SoftmaxModel> models, Action? passed = null)
    {
        for (SoftmaxModel[] active = [.. models]; active.Length > 0; active = Array.FindAll(active, model => !model.Optimiser.Done))
        {
            Evaluate(active);
            passed?.Invoke();
        }
    }

    /// <summary>The logits of every model on the rows it leaves out.</summary>
    public HeldOutLogits HeldOut(IReadOnlyList<SoftmaxModel> models)
    {
        var parts = new float[design.Chunks.Count][];
        Parallel.For(0, parts.Length, parallel, i =>
        {
            RowChunk chunk = design.Chunks[i];
            if (chunk.Fold != SoftmaxDesign.NoFold) parts[i] = new ChunkWork(design, chunk).Logits(models[chunk.Fold]);
        });
        var logits = new HeldOutLogits(design.Classes);
        for (int i = 0; i < parts.Length; i++)
        {
            RowChunk chunk = design.Chunks[i];
            for (int r = 0; parts[i] is not null && r < chunk.Rows; r++)
                if (design.Weights[chunk.Start + r] > 0) logits.Add(parts[i].AsSpan(r * design.Classes, design.Classes), design.Labels[chunk.Start + r], design.Weights[chunk.Start + r]);
        }

        return logits;
    }

    /// <summary>Loss and gradient at the trial points, and the optimisers' next trial points.</summary>
    public void Evaluate(SoftmaxModel[] models)
    {
        Parallel.For(0, design.Chunks.Count, parallel, i => new ChunkWork(design, design.Chunks[i]).Train(models, i));
        int slices = (design.ModelLength + Slice - 1) / Slice;
        Parallel.For(0, slices * models.Length, parallel, i =>
        {
            int start = i % slices * Slice;
            models[i / slices].Reduce(start, Math.Min(Slice, design.ModelLength - start));
        });
        Parallel.For(0, models.Length, parallel, i => models[i].Advance());
    }

    /// <summary>The work of one thread on one chunk.</summary>
    private readonly unsafe struct ChunkWork(SoftmaxDesign design, RowChunk chunk)
    {
        public void Train(SoftmaxModel[] models, int index)
        {
            foreach (SoftmaxModel model in models)
            {
                model.Partial[index]?.Span.Clear();
                model.PartialLoss[index] = 0;
            }

            for (int row = 0; row < chunk.Rows; row += Block)
                foreach (SoftmaxModel model in models)
                    if (model.Partial[index] is { } partial) model.PartialLoss[index] += TrainBlock(model, partial, chunk.Start + row, Math.Min(Block, chunk.Rows - row));
        }

        /// <returns>Logits [rows × classes], row-major.</returns>
        public float[] Logits(SoftmaxModel model)
        {
            var logits = new float[chunk.Rows * design.Classes];
            float* z = chunk.Buffer.Pointer;
            for (int row = 0; row < chunk.Rows; row += Block)
            {
                int rows = Math.Min(Block, chunk.Rows - row);
                Logits(model, chunk.Start + row, rows);
                for (int i = 0; i < rows; i++)
                    for (int c = 0; c < design.Classes; c++) logits[((row + i) * design.Classes) + c] = z[(c * Block) + i] + model.Bias[c];
            }

            return logits;
        }

        private double TrainBlock(SoftmaxModel model, AlignedFloats partial, int start, int rows)
        {
            float* values = stackalloc float[3 * Block], z = chunk.Buffer.Pointer, bias = partial.Pointer + design.WeightLength;
            Forward(model, start, rows, values, values + Block, values + (2 * Block));
            double loss = 0;
            fixed (float* weights = &design.Weights[start])
            {
                for (int i = 0; i < rows; i++)
                {
                    loss += weights[i] * (Math.Log(values[Block + i]) + values[i] - values[(2 * Block) + i]);
                    z[(design.Labels[start + i] * Block) + i] -= 1;
                }

                for (int c = 0; c < design.Classes; c++)
                {
                    double sum = 0;
                    for (int i = 0; i < rows; i++) sum += z[(c * Block) + i] *= weights[i];
                    bias[c] += (float)sum;
                }
            }

            float* x = design.X.Pointer + ((nint)start * design.Stride);
            if (Vector512.IsHardwareAccelerated) SoftmaxKernel<Lane512, Vector512<float>>.Gradient(x, design.Stride, rows, z, design.PaddedClasses, design.PaddedWidth, partial.Pointer);
            else SoftmaxKernel<Lane256, Vector256<float>>.Gradient(x, design.Stride, rows, z, design.PaddedClasses, design.PaddedWidth, partial.Pointer);
            return loss;
        }

        private void Forward(SoftmaxModel model, int start, int rows, float* max, float* sum, float* target)
        {
            Logits(model, start, rows);
            float* bias = model.Optimiser.Trial.Pointer + design.WeightLength;
            fixed (int* labels = &design.Labels[start])
            {
                if (Vector512.IsHardwareAccelerated) SoftmaxKernel<Lane512, Vector512<float>>.Probabilities(chunk.Buffer.Pointer, bias, design.Classes, max, sum, labels, target);
                else SoftmaxKernel<Lane256, Vector256<float>>.Probabilities(chunk.Buffer.Pointer, bias, design.Classes, max, sum, labels, target);
            }
        }

        private void Logits(SoftmaxModel model, int start, int rows)
        {
            float* x = design.X.Pointer + ((nint)start * design.Stride), w = model.Optimiser.Trial.Pointer, z = chunk.Buffer.Pointer;
            if (Vector512.IsHardwareAccelerated) SoftmaxKernel<Lane512, Vector512<float>>.Logits(x, design.Stride, rows, w, design.PaddedWidth, design.PaddedClasses, z);
            else SoftmaxKernel<Lane256, Vector256<float>>.Logits(x, design.Stride, rows, w, design.PaddedWidth, design.PaddedClasses, z);
        }
    }
}
