using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A learning-rate range test. Immutable; an invalid instance cannot be made.</summary>
public sealed record LearningRateOptions : JobRequest
{
    /// <summary>
    /// The training that a rate is wanted for, of a strategy that trains the network; its output folder is not touched.
    /// </summary>
    public required TrainOptions Train { get; init; }

    /// <summary>Steps, in [10, 10000]. Default 100.</summary>
    public int Steps
    {
        get;
        init => field = Check.InRange(value, 10, 10_000);
    } = 100;

    /// <summary>Learning rate of the first step, in (0, 1]. Default 1e-6.</summary>
    public double Lowest
    {
        get;
        init => field = Check.InRange(value, 1e-12, 1);
    } = 1e-6;

    /// <summary>Learning rate of the last step, in (0, 10], above the first. Default 0.1.</summary>
    public double Highest
    {
        get;
        init => field = Check.InRange(value, 1e-12, 10);
    } = 0.1;

    /// <inheritdoc/>
    public override LearningRateJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Raises the learning rate step by step and says where the loss falls fastest and where it begins to rise. Writes
/// nothing but the caches.
/// </summary>
/// <param name="options">The test.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class LearningRateJob(LearningRateOptions options, JobServices? services = null)
    : IJob<LearningRateSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job between two steps.</param>
    /// <exception cref="TransferException">The training cannot be done as asked, or the strategy trains no network; the
    /// message says what and how to mend it.</exception>
    public LearningRateSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        if (options.Train.Strategy.Network is null)
            throw new TransferException(
                $"--strategy {options.Train.Strategy.Label} has no learning rate of its own to find. Take finetune, "
                    + "full or scratch."
            );
        if (options.Highest <= options.Lowest)
            throw new TransferException(
                FormattableString.Invariant($"The highest rate, {options.Highest:g3}, must be above the lowest, ")
                    + FormattableString.Invariant($"{options.Lowest:g3}.")
            );
        var sweep = new RateSweep(options.Lowest, options.Highest, options.Steps);
        int images = new TrainJob(options.Train, services).With(
            training =>
            {
                new FineTuneRecipe(training.Settings).Sweep(
                    training.Rows,
                    training.Train,
                    sweep,
                    new FitContext(0, progress, cancellation)
                );
                return training.Train.Count;
            },
            progress,
            cancellation
        );
        if (sweep.Points.Count < 2)
            throw new TransferException(
                FormattableString.Invariant(
                    $"The loss was no number after {sweep.Points.Count} steps, at a rate of {options.Lowest:g3}. Give "
                ) + "a lower --from."
            );
        return new LearningRateSummary(
            RateSweep.Steepest(sweep.Points) is { } at ? sweep.Points[at].Rate : null,
            sweep.Points.MinBy(point => point.Smoothed)!.Rate,
            sweep.Points,
            images,
            services.Clock.GetElapsedTime(started).TotalSeconds
        );
    }
}

/// <summary>What a learning-rate range test found.</summary>
/// <param name="Suggested">The rate at which the smoothed change of the loss falls fastest; null where no rate lowers
/// it.</param>
/// <param name="Lowest">The rate at which it is lowest: higher ones spoil the network.</param>
/// <param name="Points">Every step, rising rates.</param>
/// <param name="Images">Images that it was done on.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record LearningRateSummary(
    double? Suggested,
    double Lowest,
    IReadOnlyList<RatePoint> Points,
    int Images,
    double Seconds
);
