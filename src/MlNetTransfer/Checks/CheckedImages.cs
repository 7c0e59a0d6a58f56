using System.Numerics.Tensors;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Checks;

/// <summary>The usable images of a data set with what is known of each: what all checks look at.</summary>
/// <param name="Items">The images [rows].</param>
/// <param name="Table">Their features and labels [rows × width].</param>
/// <param name="Digests">SHA-256 of each file [rows × 32].</param>
/// <param name="Facts">What their pixels say [rows]; null where one could not be read again.</param>
/// <param name="Parts">Their parts of the data set's own split [rows]; null where it has none.</param>
internal sealed record CheckedImages(
    IReadOnlyList<ImageItem> Items,
    FeatureTable Table,
    byte[] Digests,
    IReadOnlyList<ImageFacts?> Facts,
    IReadOnlyList<SplitPart>? Parts
)
{
    private readonly Lazy<float[]> directions = new(() => Directions(Table));

    public int Count => Items.Count;

    public string Name(int row) => Items[row].Name;

    public string ClassOf(int row) => Table.ClassNames[Table.Labels[row]];

    public SplitPart Part(int row) => Parts?[row] ?? SplitPart.None;

    /// <summary>Similarity of two images to the network, in [-1, 1].</summary>
    /// <remarks>
    /// The cosine of their features, each its signed root less its mean, over its standard deviation: without that, all
    /// features of a network being positive, any two images are similar.
    /// </remarks>
    public float Cosine(int one, int other) => TensorPrimitives.Dot(Direction(one), Direction(other));

    private ReadOnlySpan<float> Direction(int row) => directions.Value.AsSpan(row * Table.Width, Table.Width);

    private static float[] Directions(FeatureTable table)
    {
        float[] roots = Array.ConvertAll(table.Values, value => MathF.CopySign(MathF.Sqrt(MathF.Abs(value)), value));
        var rooted = new FeatureTable(table.ClassNames, table.Labels, roots, table.Width) { Networks = table.Networks };
        var scaler = new FeatureScaler(rooted, new ParallelOptions());
        var row = new float[table.Width];
        for (int i = 0; i < table.Rows; i++)
        {
            scaler.Apply(rooted.Row(i), row);
            float length = TensorPrimitives.Norm(row);
            TensorPrimitives.Multiply(row, length > 0 ? 1 / length : 0, roots.AsSpan(i * table.Width, table.Width));
        }

        return roots;
    }
}
