using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>What may be written after a training of the network.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TunedModel>))]
public enum TunedModel
{
    /// <summary>
    /// The model of <c>--strategy head</c>: the network as it was pretrained, and the best head on it.
    /// </summary>
    Head,

    /// <summary>The trained network, with the head that was trained with it.</summary>
    Trained,

    /// <summary>The trained network, with the best head that can be fitted on its features.</summary>
    NewHead,

    /// <summary>
    /// <see cref="Head"/> and the better of the others, and the mean of their calibrated logits.
    /// </summary>
    Blend,
}

/// <summary>What the validation images say of one model that may be written.</summary>
/// <param name="Model">The model.</param>
/// <param name="LogLoss">Its log-loss (nats) at the temperature that suits them.</param>
/// <param name="Accuracy">The share of them that it is right about, in [0, 1].</param>
/// <param name="Gain">How much lower its log-loss is than the head's.</param>
/// <param name="GainError">The standard error of that over the images, which both models answered.</param>
/// <param name="Taken">Whether it is the one that is written.</param>
public sealed record CandidateTrial(
    TunedModel Model,
    double LogLoss,
    double Accuracy,
    double Gain,
    double GainError,
    bool Taken
);

/// <summary>How a trained network answers, as validation images chose.</summary>
/// <param name="HasNewHead">Whether by a head that is fitted on its features once more.</param>
/// <param name="Temperature">What the logits of that head are divided by besides; 1 without it.</param>
/// <param name="BlendTemperature">What the mean of its logits and those of the head on the pretrained network is
/// divided by; null where the network answers alone.</param>
internal sealed record NetworkAnswer(bool HasNewHead, double Temperature, double? BlendTemperature)
{
    /// <summary>By the head that was trained with it.</summary>
    public static NetworkAnswer Alone { get; } = new(false, 1, null);
}

/// <summary>
/// Chooses what is written after a training: the head on the pretrained network, unless the trained network, the same
/// with a new head, or the blend has a log-loss that is lower by more than chance may give over the validation images:
/// by two standard errors, the blend by one. Of those the one with the lowest loss.
/// </summary>
/// <remarks>
/// One standard error is too little for a training alone: of many epochs, mixtures and rates the best is lower by that
/// much by chance. In a blend a training that is no better does half the harm, or none. Two models that were found in
/// different ways are wrong about different images, so that the mean of their calibrated logits (the logarithmic
/// opinion pool; Heskes, Selecting weighting factors in logarithmic opinion pools, NeurIPS 1997) is often better than
/// either, and its gain scatters half as much. A kernel on several taps says more than the layer that was trained with
/// the network, on trained features as on pretrained ones. How many errors are needed grows where there are few images
/// (Student's t), and of fewer than three none says anything.
/// </remarks>
internal sealed record NetworkChoice
{
    private const int LeastRows = 3;

    // What rounding alone may give.
    private const double LeastGain = 1e-6;

    /// <summary>All models that could be judged, the head first.</summary>
    public required IReadOnlyList<CandidateTrial> Trials { get; init; }

    /// <summary>How the network answers; null where the head is written.</summary>
    public NetworkAnswer? Answer { get; private init; }

    /// <summary>Why the head is written; null where it is not.</summary>
    public string? Doubt { get; private init; }

    /// <summary>Chooses.</summary>
    /// <param name="head">What the head says of the validation images.</param>
    /// <param name="own">What the trained network says of them.</param>
    /// <param name="again">What it says with a new head.</param>
    /// <param name="blends">Whether the blend may be taken.</param>
    public static NetworkChoice Of(
        OutOfFoldPredictions head,
        OutOfFoldPredictions own,
        OutOfFoldPredictions again,
        bool blends
    )
    {
        Judged first = Judge(TunedModel.Head, head, null)!;
        if (first.Rows < LeastRows)
            return new NetworkChoice
            {
                Trials = [first.Trial with { Taken = true }],
                Doubt = $"{first.Rows} images to judge by say nothing; at least {LeastRows} are needed",
            };
        Judged? trained = Judge(TunedModel.Trained, own, first),
            renewed = Judge(TunedModel.NewHead, again, first),
            better = trained is null || renewed?.Trial.LogLoss < trained.Trial.LogLoss ? renewed : trained,
            blend = blends && better is not null
                ? Judge(TunedModel.Blend, Mean(head, better.Said, better.Temperature), first)
                : null;
        Judged[] judged = [.. new[] { first, trained, renewed, blend }.OfType<Judged>()];
        Judged taken =
            judged
                .Skip(1)
                .Where(candidate => candidate.Trial.Gain > LeastGain && candidate.Trial.Gain >= candidate.Needed)
                .MinBy(candidate => candidate.Trial.LogLoss)
            ?? first;
        bool hasNewHead = (taken.Trial.Model == TunedModel.Blend ? better : taken) == renewed;
        return new NetworkChoice
        {
            Trials = [.. judged.Select(candidate => candidate.Trial with { Taken = candidate == taken })],
            Answer = taken.Trial.Model switch
            {
                TunedModel.Head => null,
                TunedModel.Trained => NetworkAnswer.Alone,
                TunedModel.NewHead => new NetworkAnswer(true, taken.Temperature, null),
                _ => new NetworkAnswer(hasNewHead, hasNewHead ? renewed!.Temperature : 1, taken.Temperature),
            },
            Doubt = taken == first ? DoubtOf(judged.Skip(1).MinBy(candidate => candidate.Trial.LogLoss)) : null,
        };
    }

    private static string DoubtOf(Judged? best)
    {
        if (best is null)
            return "training gave no network whose answers are numbers";
        string model =
            best.Trial.Model == TunedModel.Blend ? "a blend of the head and the trained network" : "training";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{model} gained {Math.Max(0, best.Trial.Gain):f3} in log-loss on the validation images over the head on "
                + $"the pretrained network, less than chance alone may give ({best.Needed:f3})"
        );
    }

    /// <summary>Judges answers; null where one is no number.</summary>
    private static Judged? Judge(TunedModel model, OutOfFoldPredictions said, Judged? first)
    {
        HeldOutLogits logits = said.Judged(areFew: true);
        if (logits.Rows == 0 || (first is not null && logits.Rows != first.Rows))
            return first is null
                ? new Judged(said, new CandidateTrial(model, double.MaxValue, 0, 0, 0, false), 1, [], 0)
                : null;
        HeldOut found = logits.Judge(logits.Temper());
        double[] losses = logits.Losses(found.LogitScale);
        if (first is null)
            return new Judged(
                said,
                new CandidateTrial(model, found.LogLoss, found.Accuracy, 0, 0, false),
                1 / found.LogitScale,
                losses,
                0
            );
        if (!double.IsFinite(found.LogLoss))
            return null;
        (double behind, double error) = logits.Behind(losses, first.Losses);
        error *= Math.Sqrt(logits.Rows / Math.Max(1.0, logits.Rows - 1));
        return new Judged(
            said,
            new CandidateTrial(model, found.LogLoss, found.Accuracy, 0 - behind, error, false),
            1 / found.LogitScale,
            losses,
            error * Quantile(model == TunedModel.Blend ? 1 : 2, logits.Rows - 1)
        );
    }

    /// <summary>
    /// How many standard errors of few rows say as much as so many of a normal distribution: Student's t by its
    /// expansion (Abramowitz and Stegun, 26.7.5, three terms).
    /// </summary>
    private static double Quantile(double z, int freedom) =>
        freedom < 1
            ? double.PositiveInfinity
            : z
                + (Math.Pow(z, 3) + z) / (4.0 * freedom)
                + (5 * Math.Pow(z, 5) + 16 * Math.Pow(z, 3) + 3 * z) / (96.0 * freedom * freedom);

    /// <summary>The mean of logits: the head's as they are, the network's at their best temperature.</summary>
    private static OutOfFoldPredictions Mean(OutOfFoldPredictions head, OutOfFoldPredictions own, double temperature)
    {
        float scale = (float)(1 / temperature);
        float[] mean = new float[own.Logits.Length];
        for (int i = 0; i < mean.Length; i++)
            mean[i] = (head.Logits.Span[i] + scale * own.Logits.Span[i]) / 2;
        return new OutOfFoldPredictions([.. own.Rows], [.. own.Labels], mean, own.Classes);
    }

    /// <summary>Answers, and what the rows say of them.</summary>
    /// <param name="Said">The answers.</param>
    /// <param name="Trial">What is reported.</param>
    /// <param name="Temperature">What suits the rows.</param>
    /// <param name="Losses">Log-loss of each row at that temperature.</param>
    /// <param name="Needed">The least gain that is more than chance.</param>
    private sealed record Judged(
        OutOfFoldPredictions Said,
        CandidateTrial Trial,
        double Temperature,
        double[] Losses,
        double Needed
    )
    {
        public int Rows => Losses.Length;
    }
}
