using MlNetTransfer.Features;

namespace MlNetTransfer.Tests.Heads;

/// <summary>Small feature tables with known shapes.</summary>
internal static class Rows
{
    /// <summary>
    /// Gaussian clusters with different scales and offsets per feature, so that standardising matters.
    /// </summary>
    public static FeatureTable Clusters(int rows, int width, int classes, double separation = 1, int seed = 1)
    {
        var rng = new Rng(seed);
        double[] centres = [.. Enumerable.Range(0, classes * width).Select(_ => separation * rng.NextNormal())];
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i < classes ? i : rng.Next(classes))];
        var values = new float[rows * width];
        for (int i = 0; i < values.Length; i++)
        {
            int j = i % width;
            values[i] = (float)(
                (centres[labels[i / width] * width + j] + rng.NextNormal()) * (1 + j % 5) + 3 * (j % 3)
            );
        }

        return Table(labels, values, width, classes);
    }

    public static FeatureTable Table(int[] labels, float[] values, int width, int classes) =>
        new([.. Enumerable.Range(0, classes).Select(c => $"class{c}")], labels, values, width);
}
