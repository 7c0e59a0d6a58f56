using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>
/// Chooses the learning rate of a training on the training's own images: a short training with each of a few rates,
/// its schedule fitted to it, judged by the validation images.
/// </summary>
/// <remarks>
/// Rates rise from a tenth of the usual one to three times it. A rate whose log-loss is clearly above the lowest found
/// so far ends the race, since higher ones only move further (Bengio, Practical Recommendations for Gradient-Based
/// Training, 2012, section 3.3: the best rate is close to the highest that does not harm). Each takes a fifth of the
/// epochs, on at most <see cref="MostRows"/> images, with the variants that are kept anyway; the weights themselves are
/// judged, since an average over so few steps would be mostly the start. A race takes a quarter of a time budget at
/// most, but for the epoch in which that is used up.
/// </remarks>
/// <param name="run">The training that a rate is wanted for.</param>
/// <param name="images">The images.</param>
/// <param name="data">Their rows at the freeze boundary.</param>
/// <param name="clock">Measures seconds.</param>
internal sealed class RateRace(FineTuneRun run, TrainingImages images, BoundaryRows data, TimeProvider clock)
{
    private const int MostRows = 1000,
        Share = 5,
        LeastEpochs = 3;

    /// <summary>
    /// How far above the lowest log-loss a rate has to be to end the race: smaller differences are noise of a hundred
    /// validation images.
    /// </summary>
    private const double Margin = 0.02,
        LeastMargin = 0.01;

    /// <summary>How much lower a rate is taken after one that ruined the network, and where that ends.</summary>
    private const double Lower = 0.3,
        LeastFactor = 0.001;

    private static readonly double[] Factors = [0.1, 0.3, 1, 3];

    private readonly double usual = run.Start.LearningRateOf(run.Options);

    /// <summary>Whether a training whose rate is not given is long enough for a race.</summary>
    /// <param name="options">The recipe.</param>
    /// <param name="start">Where it starts.</param>
    public static bool IsFor(FineTuneOptions options, NetworkStart start) =>
        (options.Epochs ?? start.Epochs) >= LeastEpochs;

    /// <summary>Runs the race, or what is left of it.</summary>
    /// <param name="rows">Rows to fit on, and rows that judge; there are some.</param>
    /// <param name="head">The head to start from.</param>
    /// <param name="trials">What was tried so far; what is tried is added.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Honoured between two steps.</param>
    public void Run(
        TrainTestRows rows,
        LinearHead head,
        Ledger<RateTrial> trials,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] train = Some(rows.Train);
        if (IsOver(trials.Lines))
            return;
        using var feed = new BatchFeed(images, data, run.Workers);
        feed.Warm(run, Epochs, train, rows.Test, progress, cancellation);
        OnnxModel untrained = run.Plan.Forward(head.Weights.Span, head.Bias.Span, run.Options.Dropout);
        var judge = new NetworkJudge(run, untrained, images, data, rows.Test, cancellation);
        long started = clock.GetTimestamp();
        while (!IsOver(trials.Lines))
            trials.Add(
                Try(
                    Rounded(usual * Factors[trials.Lines.Count]),
                    untrained,
                    train,
                    feed,
                    judge,
                    started,
                    progress,
                    cancellation
                )
            );
    }

    /// <summary>
    /// The rate to train with: of those that were tried and ruined nothing, the one whose log-loss is lowest; else less
    /// than the lowest that did, or the usual one. Null where none is left.
    /// </summary>
    /// <param name="trials">What was tried.</param>
    /// <param name="usual">The usual rate.</param>
    public static double? Choose(IReadOnlyList<RateTrial> trials, double usual)
    {
        double least =
            trials.Where(trial => trial.ValidationLoss is null).Min(trial => (double?)trial.Rate) ?? double.MaxValue;
        if (Best(trials.Where(trial => trial.Rate < least)) is { } best)
            return best.Rate;
        double lower = least == double.MaxValue ? usual : Rounded(least * Lower);
        return lower >= usual * LeastFactor ? lower : null;
    }

    private static RateTrial? Best(IEnumerable<RateTrial> trials) =>
        trials.Where(trial => trial.ValidationLoss is not null).MinBy(trial => trial.ValidationLoss);

    private int Epochs => Math.Max(1, (run.Options.Epochs ?? run.Start.Epochs) / Share);

    private bool IsOver(IReadOnlyList<RateTrial> trials)
    {
        if (trials.Count == 0)
            return false;
        if (trials.Count >= Factors.Length || trials[^1].ValidationLoss is not { } last)
            return true;
        double best = Best(trials)!.ValidationLoss!.Value;
        if (last > best + Math.Max(LeastMargin, Margin * best))
            return true;
        // Another one takes as long as the last.
        return Time is { } time && trials.Sum(trial => trial.Seconds) + trials[^1].Seconds > time.TotalSeconds;
    }

    /// <summary>What all trials together may take; null for as long as they do.</summary>
    private TimeSpan? Time => run.Options.TimeBudget / 4;

    private RateTrial Try(
        double rate,
        OnnxModel untrained,
        int[] train,
        BatchFeed feed,
        NetworkJudge judge,
        long raceStarted,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        long started = clock.GetTimestamp();
        int epochs = Epochs;
        FineTuneRun own = run with
        {
            Options = run.Options with { LearningRate = rate, Epochs = epochs, GradualUnfreezing = false },
        };
        var none = new NetworkWeights(new Dictionary<string, float[]>());
        var targets = SoftTargets.Of(own, images, train);
        using var stage = new TuneStage(
            own,
            untrained,
            new TuneState { Start = none, Best = none },
            train,
            targets,
            data
        );
        var told = new TuneProgress(
            progress,
            own,
            epochs,
            clock,
            FormattableString.Invariant($"Trying the learning rate {rate:g2}")
        );
        bool broken = false;
        int done = 0;
        while (done < epochs && !broken && !(done > 0 && clock.GetElapsedTime(raceStarted) > Time))
            broken = stage.Run(++done, feed, data, told, cancellation).Broken is not null;
        (double? loss, double? accuracy) = broken ? (null, null) : judge.Of(new NetworkWeights(stage.Parameters()));
        bool isNumber = loss < double.MaxValue;
        return new RateTrial(
            rate,
            isNumber ? loss : null,
            isNumber ? accuracy : null,
            done,
            false,
            Math.Round(clock.GetElapsedTime(started).TotalSeconds, 3)
        );
    }

    /// <summary>The rows, or a draw of them with as many of each class as there are.</summary>
    private int[] Some(IReadOnlyList<int> rows)
    {
        int[] order = [.. rows];
        if (order.Length <= MostRows)
            return order;
        new Rng(run.Seed).Shuffle<int>(order);
        return
        [
            .. order
                .GroupBy(row => images.Labels[row])
                .SelectMany(own => own.Index())
                .OrderBy(row => row.Index)
                .Take(MostRows)
                .Select(row => row.Item),
        ];
    }

    /// <summary>To two digits: what is printed is what was tried.</summary>
    public static double Rounded(double rate) =>
        double.Parse(rate.ToString("g2", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}

/// <summary>A learning rate that was tried before a training, or that ruined one.</summary>
/// <param name="Rate">Highest learning rate of the top block.</param>
/// <param name="ValidationLoss">Log-loss (nats) of the validation images at the best temperature, after the short
/// training; null where it was no number, or where the rate ruined the full training.</param>
/// <param name="ValidationAccuracy">Accuracy on them, in [0, 1].</param>
/// <param name="Epochs">Epochs of the short training.</param>
/// <param name="Ruined">Whether the first epoch of the full training ruined the network at this rate.</param>
/// <param name="Seconds">Wall time of the short training; everything else is reproducible.</param>
public sealed record RateTrial(
    double Rate,
    double? ValidationLoss,
    double? ValidationAccuracy,
    int Epochs,
    bool Ruined,
    [property: JsonPropertyOrder(1)] double Seconds
);
