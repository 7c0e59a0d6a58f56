using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Fits heads on bottleneck features. Holds options only: every fit stands alone.</summary>
public interface IHeadTrainer
{
    /// <summary>Fits a head; changes nothing it is given.</summary>
    /// <param name="train">Training rows [rows × width]; at least two classes, at least one row of each.</param>
    /// <param name="progress">Told how far the fit has come, from the fitting thread.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    /// <returns>The fitted head; equal inputs and options give equal bytes.</returns>
    /// <exception cref="TransferException">There are fewer than two classes, or some class has no training row; the
    /// message names it.</exception>
    IHead Fit(FeatureTable train, IProgress<FitProgress>? progress = null, CancellationToken cancellation = default);
}
