using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>The training rows on the unit sphere, and their labels; the most similar ones vote. Immutable.</summary>
public sealed class KNearestNeighboursHead : IHead
{
    private readonly float[] rows;
    private readonly int[] labels;

    internal KNearestNeighboursHead(IReadOnlyList<string> classNames, int width, float[] rows, int[] labels, int neighbours)
    {
        (ClassNames, Width, Neighbours) = (classNames, width, neighbours);
        (this.rows, this.labels) = (rows, labels);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <summary>Neighbours that vote.</summary>
    public int Neighbours { get; }

    /// <summary>Training rows scaled to length 1 [rows × width], row-major.</summary>
    public ReadOnlyMemory<float> Rows => rows;

    /// <summary>Label of each training row [rows].</summary>
    public ReadOnlyMemory<int> Labels => labels;

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) => HeadRows.Predict(this, rows, probabilities, Vote);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    // The length of the row asked about divides all similarities alike, so it is left out.
    private void Vote(ReadOnlySpan<float> row, Span<float> probabilities)
    {
        var similarity = new float[labels.Length];
        var order = new int[labels.Length];
        for (int i = 0; i < order.Length; i++) (order[i], similarity[i]) = (i, Simd.Dot(rows.AsSpan(i * Width, Width), row));
        order.AsSpan().Sort((a, b) => similarity[a] == similarity[b] ? a.CompareTo(b) : similarity[b].CompareTo(similarity[a]));
        probabilities.Clear();
        for (int i = 0; i < Neighbours; i++) probabilities[labels[order[i]]] += 1f / Neighbours;
    }
}
