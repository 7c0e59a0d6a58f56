using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Keeps the training rows and lets the nearest ones vote: works from one row per class on, and new classes need no fit
/// of the old ones.
/// </summary>
/// <remarks>
/// Cosine similarity of the raw features, a·b / (‖a‖·‖b‖); a row of zeros has similarity 0 to all. The k most similar
/// rows vote once each, ties in similarity to the earlier row; p(c) = votes for c / k, as scikit-learn's
/// KNeighborsClassifier with uniform weights.
/// </remarks>
/// <param name="options">How to vote; null for the defaults.</param>
public sealed class KNearestNeighboursTrainer(KNearestNeighboursTrainerOptions? options = null)
    : IHeadTrainer<KNearestNeighboursHead>
{
    private readonly KNearestNeighboursTrainerOptions options = options ?? new KNearestNeighboursTrainerOptions();

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
            Math.Min(options.Neighbours, train.Rows)
        );
    }
}
