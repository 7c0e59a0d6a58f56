using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// Fits a head on all rows and calibrates it by cross-validation: any trainer's probabilities become as sure as they
/// are right.
/// </summary>
/// <remarks>
/// The temperature is that of the out-of-fold logits (<see cref="CrossValidation"/>,
/// <see cref="TemperatureCalibration"/>), which costs one fit more per fold. Where every class has a single row,
/// nothing can be held out and the temperature is 1.
/// </remarks>
/// <param name="inner">Fits the head.</param>
/// <param name="options">How to calibrate; null for the defaults.</param>
public sealed class CalibratedTrainer(IHeadTrainer inner, CalibratedTrainerOptions? options = null) : IHeadTrainer
{
    private readonly CalibratedTrainerOptions options = options ?? new CalibratedTrainerOptions();

    /// <inheritdoc/>
    public IHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    ) => Calibrate(train, progress, cancellation).Head;

    /// <summary>As <see cref="Fit"/>, with the calibration that the head brings.</summary>
    internal (IHead Head, TemperatureCalibration Calibration) Calibrate(
        FeatureTable train,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        HeadRows.CheckTrainable(train);
        int[] fold = CrossValidation.Folds(train.Labels, options.Folds, options.Seed, train.ClassNames);
        TemperatureCalibration calibration = TemperatureCalibration.Fit(
            CrossValidation.OutOfFold(inner, train, fold, options.Workers, progress, cancellation)
        );
        return (calibration.Apply(inner.Fit(train, progress, cancellation)), calibration);
    }
}
