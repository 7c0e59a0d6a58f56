using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>How to choose a head. Immutable; an invalid instance cannot be made.</summary>
public sealed record AutoHeadTrainerOptions
{
    /// <summary>Folds of the comparison, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>
    /// Rows that the candidates are compared on, about, in [20, 1000000]: more training rows are thinned class by
    /// class, at least 2 of each staying. Default 2000.
    /// </summary>
    public int ComparedRows
    {
        get;
        init => field = Check.InRange(value, 20, 1_000_000, nameof(ComparedRows));
    } = StratifiedSample.ComparedRows;

    /// <summary>Seed of the thinning, of the folds and of the candidates. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

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
/// <param name="candidates">The candidates, simplest first; null for the kinds of heads that take part in the choice
/// with as many rows: discriminant, ridge, softmax, up to 2,000 training rows kernel and, from 5,000 on
/// because of its cost, mlp.</param>
/// <param name="clock">Measures the time that each candidate takes.</param>
public sealed class AutoHeadTrainer(
    AutoHeadTrainerOptions? options = null,
    IReadOnlyList<HeadCandidate>? candidates = null,
    TimeProvider? clock = null
) : IHeadTrainer
{
    /// <summary>Rows held out per class, on average, below which a comparison is noise.</summary>
    internal const int LeastPerClass = 3;
    private readonly AutoHeadTrainerOptions options = options ?? new AutoHeadTrainerOptions();
    private readonly IReadOnlyList<HeadCandidate> candidates = candidates is { Count: 0 }
        ? throw new ArgumentException("There are 0 candidates; give at least 1.", nameof(candidates))
        : candidates ?? Candidates(options ?? new AutoHeadTrainerOptions());
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
                HeadKind.Ridge.Label,
                HeadKind.Ridge.Trainer(Settings(options)).Fit(train, progress, cancellation),
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
        double[]? weight = ClassWeighting.Of(compared, options.ClassWeights);
        HeadTrial[] trials = Judge(taking, found, weight);
        int chosen = Array.FindIndex(trials, trial => trial.Behind <= trial.BehindError);
        IHead head = taking[chosen].Trainer.Fit(train, progress, cancellation);
        return new HeadSelection(
            taking[chosen].Name,
            TemperatureCalibration.Fit(found[chosen].Predictions, weight).Apply(head),
            trials[chosen].Score.Temperature,
            trials,
            compared.Rows
        );
    }

    /// <summary>What is known of the automatic choice as a kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Auto",
            s => new AutoHeadTrainer(
                new AutoHeadTrainerOptions
                {
                    ClassWeights = s.ClassWeights,
                    Seed = s.Seed,
                    Workers = s.Workers,
                }
            )
        )
        {
            IsLinear = true,
        };

    /// <summary>The kinds that take part in the choice, simplest first.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="kinds">Which of them; null for all.</param>
    internal static HeadCandidate[] Candidates(AutoHeadTrainerOptions options, Func<HeadKind, bool>? kinds = null) =>
        [
            .. HeadKind
                .All.Where(kind => kind.Chosen is not null && (kinds?.Invoke(kind) ?? true))
                .Select(kind => kind.Candidate(Settings(options))),
        ];

    private static HeadSettings Settings(AutoHeadTrainerOptions options) =>
        new()
        {
            ClassWeights = options.ClassWeights,
            Seed = options.Seed,
            Workers = options.Workers,
        };

    private static HeadTrial[] Judge(
        HeadCandidate[] candidates,
        (OutOfFoldPredictions Predictions, TimeSpan Elapsed)[] found,
        double[]? weight
    )
    {
        double[] temperatures = [.. found.Select(f => TemperatureCalibration.Fit(f.Predictions, weight).Temperature)];
        HeldOutLogits[] judged = [.. found.Select(f => f.Predictions.Judged(weight))];
        HeldOut[] summaries =
        [
            .. judged.Select((logits, i) => logits.Judge(1 / temperatures[i]) with { Temperature = temperatures[i] }),
        ];
        double[][] losses = [.. judged.Select((logits, i) => logits.Losses(1 / temperatures[i]))];
        double[] best = losses[Array.IndexOf(summaries, summaries.MinBy(summary => summary.LogLoss))];
        return
        [
            .. candidates.Select(
                (candidate, i) =>
                {
                    (double mean, double error) = judged[i].Behind(losses[i], best);
                    return new HeadTrial(candidate.Name, summaries[i], mean, error, found[i].Elapsed);
                }
            ),
        ];
    }
}

/// <summary>A kind of head that takes part in the choice.</summary>
/// <param name="Name">Name in tables.</param>
/// <param name="Trainer">Fits it.</param>
/// <param name="FromRows">Training rows from which on it takes part: what is costly or needs many rows stays out of
/// small tasks.</param>
/// <param name="ToRows">Training rows up to which it takes part: what keeps its rows stays out of large tasks.</param>
public sealed record HeadCandidate(string Name, IHeadTrainer Trainer, int FromRows = 0, int ToRows = int.MaxValue);

/// <summary>The head that was chosen, and on what grounds.</summary>
/// <param name="Name">Name of the candidate.</param>
/// <param name="Head">It, fitted on all training rows and calibrated.</param>
/// <param name="Temperature">What its logits were divided by to calibrate it.</param>
/// <param name="Trials">What was found for each candidate, simplest first; empty where there were too few rows to
/// compare.</param>
/// <param name="Rows">Rows that the candidates were compared on.</param>
public sealed record HeadSelection(
    string Name,
    IHead Head,
    double Temperature,
    IReadOnlyList<HeadTrial> Trials,
    int Rows
);

/// <summary>What the comparison found for one kind of head.</summary>
/// <param name="Name">Name of the candidate.</param>
/// <param name="Score">What rows held out say of it, at the best temperature.</param>
/// <param name="Behind">Mean of its log-loss less that of the best candidate, row by row (nats); 0 for the
/// best.</param>
/// <param name="BehindError">Standard error of <paramref name="Behind"/>.</param>
/// <param name="Elapsed">Time that its comparison took; differs from run to run, so that nothing may depend on
/// it.</param>
public sealed record HeadTrial(
    string Name,
    HeldOut Score,
    double Behind,
    double BehindError,
    [property: JsonIgnore] TimeSpan Elapsed
) : Compared<string>(Name, Score)
{
    /// <summary>What its logits are divided by.</summary>
    public double Temperature => Score.Temperature;
}

/// <summary>
/// A part of the rows that comparisons are made on, so that their cost is bounded whatever the number of rows.
/// </summary>
internal static class StratifiedSample
{
    /// <summary>Rows that comparisons are made on, about, where nothing else is asked for.</summary>
    public const int ComparedRows = 2000;

    /// <summary>
    /// The table itself where it has no more rows, else about as many, thinned class by class, at least 2 of each class
    /// staying.
    /// </summary>
    public static FeatureTable Of(FeatureTable table, int count, int seed) =>
        table.Rows <= count ? table : table.Select(RowsOf(table, count, seed));

    /// <summary>The rows of that sample, ascending.</summary>
    public static IReadOnlyList<int> RowsOf(FeatureTable table, int count, int seed)
    {
        if (table.Rows <= count)
            return [.. Enumerable.Range(0, table.Rows)];
        var rows = new List<int>();
        foreach (int[] members in new DrawOrder(table.Labels, table.ClassNames).Shuffled(seed))
            rows.AddRange(
                members.AsSpan(
                    0,
                    Math.Min(members.Length, Math.Max(2, (int)((long)members.Length * count / table.Rows)))
                )
            );

        rows.Sort();
        return rows;
    }
}
