using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>Makes the trainers that a recipe asks for, and calibrates what they fit.</summary>
/// <param name="options">The recipe.</param>
internal sealed class HeadChoice(HeadRecipeOptions options)
{
    private readonly AutoHeadTrainerOptions auto = new() { Seed = options.Seed, Workers = options.Workers };

    /// <summary>How a softmax head is fitted.</summary>
    public SoftmaxTrainerOptions Softmax { get; } =
        new()
        {
            L2 = options.L2,
            Seed = options.Seed,
            ClassWeights = options.ClassWeights,
            Workers = options.Workers,
        };

    /// <summary>Whether the recipe leaves the kind of head to us.</summary>
    public bool IsFree => options.Head == HeadKind.Auto && options.ClassWeights == ClassWeights.None;

    /// <summary>Fits the head asked for, or the best; calibrated by cross-validation on the same rows.</summary>
    /// <param name="train">Training rows.</param>
    /// <param name="start">Where their features begin in a row of all taps.</param>
    /// <param name="progress">Told how far the fit has come.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public HeadSelection Fit(
        FeatureTable train,
        int start,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (IsFree)
            return new AutoHeadTrainer(auto, options.LinearOnly ? AutoHeadTrainer.Linear(auto) : null).Select(
                train,
                progress,
                cancellation
            );
        (string name, IHeadTrainer trainer) = Trainer(options.Validation?.Columns(start, train.Width));
        (IHead head, TemperatureCalibration calibration) = new CalibratedTrainer(
            trainer,
            new CalibratedTrainerOptions { Seed = options.Seed }
        ).Calibrate(train, progress, cancellation);
        return new HeadSelection(name, head, calibration.Temperature, [], train.Rows);
    }

    /// <summary>Fits a kernel head, with the trial that compares it with others.</summary>
    /// <param name="train">Training rows, at most <see cref="AutoHeadTrainer.KernelRows"/>, enough of them to hold some
    /// out.</param>
    /// <param name="progress">Told how far the fit has come.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public HeadSelection Kernel(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation) =>
        new AutoHeadTrainer(auto, [AutoHeadTrainer.Kernel(auto)]).Select(train, progress, cancellation);

    /// <summary>Class weights are the softmax head's, so with them the automatic choice is that one.</summary>
    private (string Name, IHeadTrainer Trainer) Trainer(FeatureTable? validation) =>
        options.Head switch
        {
            HeadKind.Auto or HeadKind.Softmax => ("softmax", new SoftmaxTrainer(Softmax)),
            HeadKind.Ridge => ("ridge", new RidgeTrainer(new RidgeTrainerOptions { Workers = options.Workers })),
            HeadKind.Discriminant => (
                "discriminant",
                new LinearDiscriminantTrainer(
                    new LinearDiscriminantTrainerOptions
                    {
                        Shrinkage = LinearDiscriminantTrainerOptions.StrongShrinkage,
                        Workers = options.Workers,
                    }
                )
            ),
            HeadKind.Kernel => (
                "kernel",
                new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = options.Workers })
            ),
            HeadKind.Prototype => (
                "prototype",
                new NearestMeanTrainer(new NearestMeanTrainerOptions { Workers = options.Workers })
            ),
            HeadKind.Neighbours => ("neighbours", new KNearestNeighboursTrainer()),
            HeadKind.Mlp => (
                "mlp",
                new MlpTrainer(options.Mlp ?? new MlpTrainerOptions { Seed = options.Seed }, validation)
            ),
            _ => throw new System.Diagnostics.UnreachableException($"Unknown head {options.Head}."),
        };
}
