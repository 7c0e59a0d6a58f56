using System.Numerics.Tensors;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Heads;

/// <summary>How a nearest-neighbour head votes. Immutable; an invalid instance cannot be made.</summary>
public sealed record KNearestNeighboursTrainerOptions
{
    /// <summary>Neighbours that vote, in [1, 1000]; never more than training rows. Default 5.</summary>
    public int Neighbours
    {
        get;
        init => field = Check.InRange(value, 1, 1000, nameof(Neighbours));
    } = 5;

    /// <summary>How much the vote of a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }
}

/// <summary>
/// Keeps the training rows and lets the nearest ones vote: works from one row per class on, and new classes need no fit
/// of the old ones.
/// </summary>
/// <remarks>
/// Cosine similarity of the raw features, a·b / (‖a‖·‖b‖); a row of zeros has similarity 0 to all. The k most similar
/// rows vote once each, ties in similarity to the earlier row; p(c) = votes for c / k, as scikit-learn's
/// KNeighborsClassifier with uniform weights. With class weights a vote counts its class's, and p are shares of the
/// sum.
/// </remarks>
/// <param name="options">How to vote; null for the defaults.</param>
public sealed class KNearestNeighboursTrainer(KNearestNeighboursTrainerOptions? options = null)
    : IHeadTrainer<KNearestNeighboursHead>
{
    private readonly KNearestNeighboursTrainerOptions options = options ?? new KNearestNeighboursTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Neighbours",
            s => new KNearestNeighboursTrainer(new KNearestNeighboursTrainerOptions { ClassWeights = s.ClassWeights })
        );

    /// <inheritdoc/>
    public KNearestNeighboursHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        var rows = new float[train.Values.Length];
        for (int i = 0; i < train.Rows; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            double norm = Math.Sqrt(Simd.DotWide(train.Row(i), train.Row(i)));
            if (norm == 0)
                continue;
            ReadOnlySpan<float> row = train.Row(i);
            for (int j = 0; j < row.Length; j++)
                rows[i * train.Width + j] = (float)(row[j] / norm);
        }

        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new KNearestNeighboursHead(
            train.ClassNames,
            train.Width,
            rows,
            [.. train.Labels],
            Math.Min(options.Neighbours, train.Rows),
            ClassWeighting.Of(train, options.ClassWeights) is { } weight
                ? Array.ConvertAll(weight, value => (float)value)
                : null
        );
    }
}

/// <summary>The training rows on the unit sphere, and their labels; the most similar ones vote. Immutable.</summary>
/// <remarks>A class without votes has probability 0 and logit ln(<see cref="SmallestShare"/>).</remarks>
public sealed class KNearestNeighboursHead : IHead
{
    /// <summary>
    /// The share of the votes that a class without any counts as in its logit, since ln 0 is no number.
    /// </summary>
    public const float SmallestShare = 1e-7f;

    private readonly float[] rows;
    private readonly float[]? weight;
    private readonly int[] labels;

    internal KNearestNeighboursHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] rows,
        int[] labels,
        int neighbours,
        float[]? weight
    )
    {
        (ClassNames, Width, Neighbours) = (classNames, width, neighbours);
        (this.rows, this.labels, this.weight) = (rows, labels, weight);
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
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits)
    {
        HeadRows.ForEach(this, rows, logits, Vote);
        foreach (ref float value in logits)
            value = MathF.Log(MathF.Max(value, SmallestShare));
    }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) =>
        HeadRows.ForEach(this, rows, probabilities, Vote);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    /// <remarks>
    /// Similarities by MatMul, the k highest by TopK (ties to the earlier row, as here), their one-hot labels averaged
    /// by a MatMul with 1/k.
    /// </remarks>
    public string AddTo(HeadGraph graph)
    {
        int classes = ClassNames.Count;
        float[] columns = new float[rows.Length],
            oneHot = new float[labels.Length * classes],
            shares = new float[Neighbours];
        for (int i = 0; i < labels.Length; i++)
        {
            oneHot[i * classes + labels[i]] = Weight(labels[i]);
            for (int j = 0; j < Width; j++)
                columns[j * labels.Length + i] = rows[i * Width + j];
        }

        Array.Fill(shares, 1f / Neighbours);
        string similarity = graph.Node(
            "MatMul",
            "head.similarity",
            [graph.Features, graph.Floats("head.rows", columns, Width, labels.Length)]
        );
        string nearest = graph.Nodes(
            "TopK",
            ["head.similarities", "head.nearest"],
            [similarity, graph.Longs("head.neighbours", [Neighbours], 1)],
            Attributes.Of("axis", 1)
        )[1];
        string ballots = graph.Node(
            "Gather",
            "head.ballots",
            [graph.Floats("head.labels", oneHot, labels.Length, classes), nearest]
        );
        string counted = graph.Node(
            "MatMul",
            "head.counted",
            [graph.Floats("head.shares", shares, 1, Neighbours), ballots]
        );
        string votes = graph.Node("Flatten", "head.votes", [counted], Attributes.Of("axis", 1));
        if (weight is not null)
            votes = graph.Node(
                "Div",
                "head.weighted",
                [votes, graph.Node("ReduceL1", "head.total", [votes], Attributes.Of("axes", [1]))]
            );
        string floored = graph.Node("Max", "head.floored", [votes, graph.Floats("head.floor", [SmallestShare], 1)]);
        return graph.Node("Log", "logits", [floored]);
    }

    private float Weight(int label) => weight?[label] ?? 1;

    // The length of the row asked about divides all similarities alike, so it is left out.
    private void Vote(ReadOnlySpan<float> row, Span<float> probabilities)
    {
        var similarity = new float[labels.Length];
        var order = new int[labels.Length];
        for (int i = 0; i < order.Length; i++)
            (order[i], similarity[i]) = (i, Simd.Dot(rows.AsSpan(i * Width, Width), row));
        order
            .AsSpan()
            .Sort((a, b) => similarity[a] == similarity[b] ? a.CompareTo(b) : similarity[b].CompareTo(similarity[a]));
        probabilities.Clear();
        for (int i = 0; i < Neighbours; i++)
            probabilities[labels[order[i]]] += Weight(labels[order[i]]) / Neighbours;
        if (weight is null)
            return;
        float sum = TensorPrimitives.Sum(probabilities);
        foreach (ref float share in probabilities)
            share /= sum;
    }
}
