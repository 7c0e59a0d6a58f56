using System.Numerics.Tensors;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Checks;

/// <summary>The usable images of a data set with what is known of each: what all checks look at.</summary>
/// <param name="Items">The images [rows].</param>
/// <param name="Table">Their labels, and the features that heads learn from [rows × width].</param>
/// <param name="Points">Where they stand by the features of all taps.</param>
/// <param name="Digests">SHA-256 of each file [rows × 32].</param>
/// <param name="Facts">What their pixels say [rows]; null where one could not be read again.</param>
/// <param name="Parts">Their parts of the data set's own split [rows]; null where it has none.</param>
internal sealed record CheckedImages(
    IReadOnlyList<DataItem> Items,
    FeatureTable Table,
    ImagePoints Points,
    byte[] Digests,
    IReadOnlyList<ImageFacts?> Facts,
    IReadOnlyList<SplitPart>? Parts
)
{
    public int Count => Items.Count;

    public string Name(int row) => Items[row].Name;

    public string ClassOf(int row) => Table.ClassNames[Table.Labels[row]];

    public SplitPart Part(int row) => Parts?[row] ?? SplitPart.None;
}

/// <summary>Images as points: their features at all taps, each its signed root less its mean, over its standard
/// deviation.</summary>
/// <remarks>
/// Features of a network being positive, any two images are similar without that. The early taps see what an image is
/// made of (photo, drawing, noise), the late ones what is on it.
/// </remarks>
internal sealed class ImagePoints
{
    private readonly float[] values;
    private readonly int width;
    private readonly double[] lengths;

    private ImagePoints(float[] values, int width, double[] lengths) =>
        (this.values, this.width, this.lengths) = (values, width, lengths);

    /// <summary>Makes the points in the memory of the features, which may be most of what there is.</summary>
    /// <param name="table">Features [rows × width]; overwritten.</param>
    public static ImagePoints InPlace(FeatureTable table)
    {
        foreach (ref float value in table.Values.AsSpan())
            value = MathF.CopySign(MathF.Sqrt(MathF.Abs(value)), value);
        var scaler = new FeatureScaler(table, new ParallelOptions());
        var lengths = new double[table.Rows];
        for (int row = 0; row < table.Rows; row++)
        {
            Span<float> own = table.Values.AsSpan(row * table.Width, table.Width);
            scaler.Apply(own, own);
            lengths[row] = TensorPrimitives.Norm<float>(own);
        }

        return new ImagePoints(table.Values, table.Width, lengths);
    }

    /// <summary>
    /// On which side of 64 planes through the mean, drawn by a fixed seed, an image lies: images at an angle differ in
    /// as many of these bits as that angle is of a half turn, on average (Charikar, Similarity Estimation Techniques
    /// from Rounding Algorithms, 2002).
    /// </summary>
    /// <param name="parallel">Threads and cancellation.</param>
    /// <returns>64 bits of each image [rows].</returns>
    public ulong[] Sides(ParallelOptions parallel)
    {
        var rng = new Rng(1);
        var planes = new float[64 * width];
        for (int i = 0; i < planes.Length; i++)
            planes[i] = rng.Next(2) == 0 ? 1 : -1;
        var sides = new ulong[lengths.Length];
        Parallel.For(
            0,
            sides.Length,
            parallel,
            row =>
            {
                ReadOnlySpan<float> own = values.AsSpan(row * width, width);
                for (int plane = 0; plane < 64; plane++)
                    if (TensorPrimitives.Dot(own, planes.AsSpan(plane * width, width)) > 0)
                        sides[row] |= 1UL << plane;
            }
        );
        return sides;
    }

    /// <summary>Whether an image differs from the mean of all.</summary>
    public bool IsSomewhere(int row) => lengths[row] > 0;

    /// <summary>Cosine between two images, in [-1, 1]; 0 for one at the mean of all.</summary>
    public double Cosine(int one, int other)
    {
        double lengths = this.lengths[one] * this.lengths[other];
        return lengths > 0 ? Dot(one, other) / lengths : 0;
    }

    /// <summary>Distance of two images.</summary>
    public double Distance(int one, int other) =>
        Math.Sqrt(Math.Max(0, lengths[one] * lengths[one] + lengths[other] * lengths[other] - 2 * Dot(one, other)));

    private double Dot(int one, int other) =>
        TensorPrimitives.Dot(values.AsSpan(one * width, width), values.AsSpan(other * width, width));
}
