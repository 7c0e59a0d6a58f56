using System.Runtime.Intrinsics;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>The work of one thread on one chunk.</summary>
internal readonly unsafe struct ChunkWork(SoftmaxDesign design, RowChunk chunk)
{
    private const int Block = 32;

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
        float* z = chunk.Buffer.Pointer;
        for (int row = 0; row < chunk.Rows; row += Block)
        {
            int rows = Math.Min(Block, chunk.Rows - row);
            Logits(model, chunk.Start + row, rows);
            for (int i = 0; i < rows; i++)
            for (int c = 0; c < design.Classes; c++)
                logits[((row + i) * design.Classes) + c] = z[(c * Block) + i] + model.Bias[c];
        }

        return logits;
    }

    private double TrainBlock(SoftmaxModel model, AlignedFloats partial, int start, int rows)
    {
        float* values = stackalloc float[3 * Block],
            z = chunk.Buffer.Pointer,
            bias = partial.Pointer + design.WeightLength;
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
                for (int i = 0; i < rows; i++)
                    sum += z[(c * Block) + i] *= weights[i];
                bias[c] += (float)sum;
            }
        }

        float* x = design.X.Pointer + ((nint)start * design.Stride);
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Gradient(
                x,
                design.Stride,
                rows,
                z,
                design.PaddedClasses,
                design.PaddedWidth,
                partial.Pointer
            );
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Gradient(
                x,
                design.Stride,
                rows,
                z,
                design.PaddedClasses,
                design.PaddedWidth,
                partial.Pointer
            );
        return loss;
    }

    private void Forward(SoftmaxModel model, int start, int rows, float* max, float* sum, float* target)
    {
        Logits(model, start, rows);
        float* bias = model.Optimiser.Trial.Pointer + design.WeightLength;
        fixed (int* labels = &design.Labels[start])
        {
            if (Vector512.IsHardwareAccelerated)
                SoftmaxKernel<Lane512, Vector512<float>>.Probabilities(
                    chunk.Buffer.Pointer,
                    bias,
                    design.Classes,
                    max,
                    sum,
                    labels,
                    target
                );
            else
                SoftmaxKernel<Lane256, Vector256<float>>.Probabilities(
                    chunk.Buffer.Pointer,
                    bias,
                    design.Classes,
                    max,
                    sum,
                    labels,
                    target
                );
        }
    }

    private void Logits(SoftmaxModel model, int start, int rows)
    {
        float* x = design.X.Pointer + ((nint)start * design.Stride),
            w = model.Optimiser.Trial.Pointer,
            z = chunk.Buffer.Pointer;
        if (Vector512.IsHardwareAccelerated)
            SoftmaxKernel<Lane512, Vector512<float>>.Logits(
                x,
                design.Stride,
                rows,
                w,
                design.PaddedWidth,
                design.PaddedClasses,
                z
            );
        else
            SoftmaxKernel<Lane256, Vector256<float>>.Logits(
                x,
                design.Stride,
                rows,
                w,
                design.PaddedWidth,
                design.PaddedClasses,
                z
            );
    }
}
