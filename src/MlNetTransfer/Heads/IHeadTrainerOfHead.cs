using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Fits heads of one kind.</summary>
/// <typeparam name="THead">The fitted head.</typeparam>
public interface IHeadTrainer<out THead> : IHeadTrainer
    where THead : IHead
{
    /// <inheritdoc cref="IHeadTrainer.Fit"/>
    new THead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    );

    IHead IHeadTrainer.Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation) =>
        Fit(train, progress, cancellation);
}
