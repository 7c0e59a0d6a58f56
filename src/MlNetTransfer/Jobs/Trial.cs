using MlNetTransfer.Evaluation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A recipe's evaluation on rows it was not fitted on, and the fit whose head is written.</summary>
/// <param name="Fit">The fit whose head is written.</param>
/// <param name="TrainRows">The rows it was fitted on.</param>
/// <param name="TestRows">The rows that were predicted by a fit that had not seen them.</param>
/// <param name="Report">The judgement of those predictions; null where no image was held out.</param>
/// <param name="Uncalibrated">The judgement of the same predictions without calibration.</param>
/// <param name="FoldAccuracies">Accuracy of each fold; empty for a single split.</param>
internal sealed record Trial(
    FittedHead Fit,
    IReadOnlyList<int> TrainRows,
    IReadOnlyList<int> TestRows,
    ClassificationReport? Report,
    ClassificationReport? Uncalibrated,
    IReadOnlyList<double> FoldAccuracies
)
{
    /// <summary>The trained network; null where the backbone stayed frozen.</summary>
    public TunedModel? Tuned { get; init; }
}
