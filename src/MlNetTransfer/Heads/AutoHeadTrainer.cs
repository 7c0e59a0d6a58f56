using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// Compares kinds of heads on the training rows, and fits the one that predicts rows best that it has not seen.
/// </summary>
/// <remarks>
/// <para>All candidates are cross-validated on the same folds; each is judged by the log-loss of its held-out rows at
/// its best temperature. Best is the lowest loss; taken is the simplest candidate (the order they are given in) that is
/// behind the best by no more than one standard error of the difference, row by row. It is fitted again on all rows and
/// calibrated with its temperature.</para>
/// <para>With fewer than three rows per class to hold out, on average, a comparison would be noise: ridge regression is
/// taken, which calibrates itself by leaving one row out, and with one row per class is more accurate than class
/// prototypes.</para>
/// </remarks>
/// <param name="options">How to choose; null for the defaults.</param>
/// <param name="candidates">The candidates, simplest first; null for discriminant (shrinkage 0.7), ridge, softmax, up
/// to 2,000 training rows kernel and, from 5,000 on because of its cost, perceptron.</param>
/// <param name="clock">Measures the time that each candidate takes.</param>
public sealed class AutoHeadTrainer(
    AutoHeadTrainerOptions? options = null,
    IReadOnlyList<HeadCandidate>? candidates = null,
    TimeProvider? clock = null
) : IHeadTrainer
{
    /// <summary>
    /// Training rows up to which a kernel head takes part: beyond, it would add more than a megabyte to the model for
    /// every hundred images.
    /// </summary>
    internal const int KernelRows = 2000;

    private const int LeastPerClass = 3;
    private readonly AutoHeadTrainerOptions options = options ?? new AutoHeadTrainerOptions();
    private readonly IReadOnlyList<HeadCandidate> candidates = candidates is { Count: 0 }
        ? throw new ArgumentException("There are 0 candidates; give at least 1.", nameof(candidates))
        : candidates ?? All(options ?? new AutoHeadTrainerOptions());
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <inheritdoc/>
    public IHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    ) => Select(train, progress, cancellation).Head;

    /// <summary>As <see cref="Fit"/>, with the grounds of the choice.</summary>
    /// <param name="train">Training rows [rows × width]; at least two classes, at least one row of each.</param>
    /// <param name="progress">Told how far the choice has come.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    /// <returns>The choice; equal inputs and options give equal heads.</returns>
    /// <exception cref="TransferException">There are fewer than two classes, or some class has no training row; the
    /// message names it.</exception>
    public HeadSelection Select(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        HeadCandidate[] taking =
        [
            .. candidates.Where(candidate => candidate.FromRows <= train.Rows && train.Rows <= candidate.ToRows),
        ];
        FeatureTable compared = StratifiedSample.Of(train, options.ComparedRows, options.Seed);
        int[] fold = CrossValidation.Folds(compared.Labels, options.Folds, options.Seed, compared.ClassNames);
        if (taking.Length == 0 || fold.Count(f => f != CrossValidation.NeverHeldOut) < LeastPerClass * train.Classes)
            return new HeadSelection(
                "ridge",
                new RidgeTrainer(new RidgeTrainerOptions { Workers = options.Workers }).Fit(
                    train,
                    progress,
                    cancellation
                ),
                1,
                [],
                0
            );
        (OutOfFoldPredictions Predictions, TimeSpan Elapsed)[] found =
        [
            .. taking.Select(
                (candidate, i) =>
                {
                    progress?.Report(new FitProgress("Comparing heads", i, taking.Length));
                    long started = clock.GetTimestamp();
                    return (
                        CrossValidation.OutOfFold(candidate.Trainer, compared, fold, 1, null, cancellation),
                        clock.GetElapsedTime(started)
                    );
                }
            ),
        ];
        HeadTrial[] trials = Judge(taking, found);
        int chosen = Array.FindIndex(trials, trial => trial.Behind <= trial.BehindError);
        IHead head = taking[chosen].Trainer.Fit(train, progress, cancellation);
        return new HeadSelection(
            taking[chosen].Name,
            TemperatureCalibration.Fit(found[chosen].Predictions).Apply(head),
            trials[chosen].Temperature,
            trials,
            compared.Rows
        );
    }

    /// <summary>The candidates whose heads are linear in the features, simplest first.</summary>
    internal static HeadCandidate[] Linear(AutoHeadTrainerOptions options) =>
        [
            new(
                "discriminant",
                new LinearDiscriminantTrainer(
                    new LinearDiscriminantTrainerOptions
                    {
                        Shrinkage = LinearDiscriminantTrainerOptions.StrongShrinkage,
                        Workers = options.Workers,
                    }
                )
            ),
            new("ridge", new RidgeTrainer(new RidgeTrainerOptions { Workers = options.Workers })),
            new(
                "softmax",
                new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = options.Seed, Workers = options.Workers })
            ),
        ];

    /// <summary>The kernel head as a candidate.</summary>
    internal static HeadCandidate Kernel(AutoHeadTrainerOptions options) =>
        new(
            "kernel",
            new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = options.Workers }),
            ToRows: KernelRows
        );

    private static HeadCandidate[] All(AutoHeadTrainerOptions options) =>
        [
            .. Linear(options),
            Kernel(options),
            new(
                "perceptron",
                new MlpTrainer(new MlpTrainerOptions { Seed = options.Seed, Workers = options.Workers }),
                FromRows: 5000
            ),
        ];

    private static HeadTrial[] Judge(
        HeadCandidate[] candidates,
        (OutOfFoldPredictions Predictions, TimeSpan Elapsed)[] found
    )
    {
        double[] temperatures = [.. found.Select(f => TemperatureCalibration.Fit(f.Predictions).Temperature)];
        HeldOutLogits[] judged = [.. found.Select(f => f.Predictions.Judged())];
        L2Trial[] summaries = [.. judged.Select((logits, i) => logits.Judge(0, 1 / temperatures[i]))];
        double[][] losses = [.. judged.Select((logits, i) => logits.Losses(1 / temperatures[i]))];
        double[] best = losses[Array.IndexOf(summaries, summaries.MinBy(summary => summary.LogLoss))];
        return
        [
            .. candidates.Select(
                (candidate, i) =>
                {
                    double[] behind = [.. losses[i].Zip(best, (own, other) => own - other)];
                    double mean = behind.Average(),
                        error = Math.Sqrt(behind.Sum(d => (d - mean) * (d - mean))) / behind.Length;
                    return new HeadTrial(
                        candidate.Name,
                        summaries[i].LogLoss,
                        summaries[i].StandardError,
                        summaries[i].Accuracy,
                        temperatures[i],
                        mean,
                        error,
                        found[i].Elapsed
                    );
                }
            ),
        ];
    }
}
