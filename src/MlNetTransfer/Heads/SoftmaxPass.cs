namespace MlNetTransfer.Heads;

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
