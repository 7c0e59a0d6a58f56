using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Advice;

/// <summary>Puts the ways to train in the order in which to try them, each with what to expect and why.</summary>
/// <remarks>
/// The head is first unless images held out speak for a training of the network, or, where none was tried, such
/// trainings have gained on other tasks by more than two standard errors: a head costs seconds, and cannot do harm.
/// </remarks>
/// <param name="rule">The rule of thumb for the images.</param>
/// <param name="board">Backbones, taps and heads by cross-validation.</param>
/// <param name="network">Id of the network that would be trained.</param>
/// <param name="trials">What was tried on a part of the images, the head first; empty where nothing was.</param>
/// <param name="images">Images to train on.</param>
/// <param name="judged">Images that <paramref name="board"/> was judged on.</param>
internal sealed class AdvisedRanking(
    FreezeRule rule,
    IReadOnlyList<LeaderboardRow> board,
    string network,
    IReadOnlyList<StrategyTrial> trials,
    int images,
    int judged
)
{
    /// <summary>Epochs of a training, and passes over an image in one: forwards, and twice as much backwards.</summary>
    private const double Epochs = 15,
        Passes = 3;

    private readonly LeaderboardRow taken = board.Single(row => row.Taken);

    // The network alone, by the better of its heads; where several networks were taken together, another one.
    private readonly LeaderboardRow single = board.Where(row => row.Backbone == network).MinBy(row => row.LogLoss)!;

    /// <summary>The ways, the one to take first.</summary>
    public IReadOnlyList<AdvisedStrategy> Of()
    {
        AdvisedStrategy head = Head();
        List<AdvisedStrategy> trainings = [.. trials.Skip(1).Select(Tried)];
        foreach (double freeze in (double[])[rule.FreezesAll ? 0.8 : rule.Freeze, 0])
            if (trainings.All(own => Math.Abs(own.Freeze - freeze) > 0.1))
                trainings.Add(Untried(freeze));
        AdvisedStrategy[] ordered = [.. trainings.OrderByDescending(own => own.Accuracy)];
        AdvisedStrategy first =
            trials.Count > 0
                ? ordered.FirstOrDefault(own => trials.Any(trial => trial.Taken && trial.Strategy == own.Strategy))
                    ?? head
            : KnownGains.At(ordered[0].Freeze) is var (mean, deviation, count)
            && mean > 2 * deviation / Math.Sqrt(count)
                ? ordered[0]
            : head;
        return [first, .. ordered.Prepend(head).Where(own => own != first).OrderByDescending(own => own.Accuracy)];
    }

    private AdvisedStrategy Head()
    {
        StrategyTrial? tried = trials.Count > 0 ? trials[0] : null;
        Interval interval = HeadInterval(taken);
        string reason =
            tried is null ? "It costs seconds, and no training of the network was tried beside it."
            : tried.Taken ? "Of what was tried, nothing dearer is better by more than one standard error in log-loss."
            : "It costs seconds; a training of the network was better on the images held out.";
        return new AdvisedStrategy(
            "head",
            1,
            taken.Backbone,
            taken.Accuracy,
            [interval.Low, interval.High],
            AdviceEvidence.CrossValidated,
            images * taken.Milliseconds / 1000 / Environment.ProcessorCount,
            taken.Milliseconds,
            reason
        )
        {
            Options = $"--backbone {taken.Backbone}",
        };
    }

    private AdvisedStrategy Tried(StrategyTrial trial)
    {
        double freeze = trial.Strategy == "full" ? 0 : FreezeOfTrial();
        double half = (trial.GainInterval[1] - trial.GainInterval[0]) / 2;
        return Training(
            trial.Strategy,
            freeze,
            trial.Gain,
            half,
            AdviceEvidence.Tried,
            // On three quarters of the images and once, where train takes all of them and a second training.
            2 * trial.Seconds / 0.75,
            $"Tried on {trial.Images} images held out: {Points(trial.Gain)} points against the head (95 %: "
                + $"{Points(trial.GainInterval[0])} to {Points(trial.GainInterval[1])})."
        );
    }

    private AdvisedStrategy Untried(double freeze)
    {
        (double mean, double deviation, int count) = KnownGains.At(freeze);
        string why =
            freeze == (rule.FreezesAll ? 1 : rule.Freeze) ? $"The rule of thumb for such data: {rule.Advice} " : "";
        return Training(
            freeze == 0 ? "full" : "finetune",
            freeze,
            mean,
            1.96 * deviation,
            AdviceEvidence.OtherTasks,
            2 * Epochs * Passes * (1 - 0.8 * freeze) * images * single.Milliseconds / 1000 / Environment.ProcessorCount,
            why
                + $"Not tried here; on {count} other trainings it gained {Points(mean)} points, give or take "
                + FormattableString.Invariant($"{100 * deviation:0.0}.")
        );
    }

    private AdvisedStrategy Training(
        string strategy,
        double freeze,
        double gain,
        double half,
        AdviceEvidence evidence,
        double seconds,
        string reason
    )
    {
        Interval head = HeadInterval(single);
        double accuracy = Math.Clamp(single.Accuracy + gain, 0, 1),
            own = (head.High - head.Low) / 2,
            both = Math.Sqrt(own * own + half * half);
        return new AdvisedStrategy(
            strategy,
            freeze,
            network,
            accuracy,
            [Math.Max(0, accuracy - both), Math.Min(1, accuracy + both)],
            evidence,
            seconds,
            single.Milliseconds,
            reason
        )
        {
            Options =
                strategy == "full"
                    ? $"--backbone {network} --strategy full"
                    : FormattableString.Invariant($"--backbone {network} --strategy finetune --freeze {freeze:0.##}"),
        };
    }

    private static string Points(double share) => FormattableString.Invariant($"{100 * share:+0.0;-0.0;0.0}");

    private double FreezeOfTrial() => rule.FreezesAll ? 0.8 : rule.Freeze;

    private Interval HeadInterval(LeaderboardRow row) =>
        WilsonInterval.Of((int)Math.Round(row.Accuracy * judged), judged);
}
