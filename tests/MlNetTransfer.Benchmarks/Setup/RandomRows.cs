using MlNetTransfer.Features;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>Rows of features: a random centre for each class, and normal noise around it.</summary>
internal sealed class RandomRows(int width, int classes)
{
    private readonly Rng rng = new(1);
    private float[]? centres;

    /// <summary>Draws rows, the classes in turn.</summary>
    public FeatureTable Draw(int rows)
    {
        centres ??= [.. Enumerable.Range(0, classes * width).Select(_ => (float)(0.1 * rng.NextNormal()))];
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i % classes)];
        var values = new float[rows * width];
        for (int i = 0; i < values.Length; i++)
            values[i] = centres[labels[i / width] * width + i % width] + (float)rng.NextNormal();
        return new FeatureTable([.. Enumerable.Range(0, classes).Select(c => $"c{c}")], labels, values, width);
    }
}
