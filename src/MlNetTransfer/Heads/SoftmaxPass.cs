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

    /// <summary>Log-loss and hits of every model on the rows it leaves out.</summary>
    public HeldOutSums HeldOut(IReadOnlyList<SoftmaxModel> models)
    {
        var sums = new HeldOutSums[design.Chunks.Count];
        Parallel.For(0, sums.Length, parallel, i =>
        {
            SoftmaxModel? model = models.FirstOrDefault(model => model.HeldOut == design.Chunks[i].Fold && model.HeldOut != SoftmaxDesign.NoFold);
            if (model is not null) sums[i] = new ChunkWork(design, design.Chunks[i]).HeldOut(model);
        });
        return sums.Aggregate((a, b) => a + b);
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

        public HeldOutSums HeldOut(SoftmaxModel model)
        {
            HeldOutSums sums = default;
            float* values = stackalloc float[3 * Block];
            for (int row = 0; row < chunk.Rows; row += Block)
            {
                int rows = Math.Min(Block, chunk.Rows - row);
                Forward(model, chunk.Start + row, rows, values, values + Block, values + (2 * Block));
                for (int i = 0; i < rows; i++)
                {
                    double loss = Math.Log(values[Block + i]) + values[i] - values[(2 * Block) + i];
                    // The likeliest class has the highest logit; a tie counts as a hit.
                    sums += HeldOutSums.Of(design.Weights[chunk.Start + row + i], loss, values[(2 * Block) + i] >= values[i]);
                }
            }

            return sums;
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
            float* x = design.X.Pointer + ((nint)start * design.Stride), w = model.Optimiser.Trial.Pointer, bias = w + design.WeightLength, z = chunk.Buffer.Pointer;
            fixed (int* labels = &design.Labels[start])
            {
                if (Vector512.IsHardwareAccelerated)
                {
                    SoftmaxKernel<Lane512, Vector512<float>>.Logits(x, design.Stride, rows, w, design.PaddedWidth, design.PaddedClasses, z);
                    SoftmaxKernel<Lane512, Vector512<float>>.Probabilities(z, bias, design.Classes, max, sum, labels, target);
                }
                else
                {
                    SoftmaxKernel<Lane256, Vector256<float>>.Logits(x, design.Stride, rows, w, design.PaddedWidth, design.PaddedClasses, z);
                    SoftmaxKernel<Lane256, Vector256<float>>.Probabilities(z, bias, design.Classes, max, sum, labels, target);
                }
            }
        }
    }
}
