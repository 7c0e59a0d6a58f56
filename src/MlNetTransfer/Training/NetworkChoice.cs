using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>What may be written after a training of the network.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TunedModel>))]
public enum TunedModel
{
    /// <summary>The model of <c>--strategy head</c>: the network as it was pretrained, and the best head on it.</summary>
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
/// <param name="BlendTemperature">What the mean of its logits and those of the head on the pretrained network is divided
/// by; null where the network answers alone.</param>
internal sealed record NetworkAnswer(bool HasNewHead, double Temperature, double? BlendTemperature)
{
    /// <summary>By the head that was trained with it.</summary>
    public static NetworkAnswer Alone { get; } = new(false, 1, null);
}

/// <summary>
/// Chooses what is written after a training: the head on the pretrained network, unless the trained network, the same
/// with a new head, or the mean of old and new has a log-loss that is lower by more than chance may give over the
/// validation images: by two standard errors, the mean by one. Of those the one with the lowest loss.
/// </summary>
/// <remarks>
/// One standard error is too little for a training alone: of many epochs, mixtures and rates the best is lower by that
/// much by chance, and what is lost otherwise has no bound. The mean cannot lose much, half of it being the head. Two
/// models that were found in different ways are wrong about different images, so that their mean (of calibrated logits:
/// the logarithmic opinion pool; Heskes, Selecting weighting factors in logarithmic opinion pools, NeurIPS 1997) is
/// often better than either, and its gain scatters half as much. A kernel on several taps says more than the layer that
/// was trained with the network, on trained features as on pretrained ones.
/// </remarks>
internal sealed record NetworkChoice
{
    private static double Errors(TunedModel model) => model == TunedModel.Blend ? 1 : 2;

    /// <summary>All models that were compared, the head first.</summary>
    public required IReadOnlyList<CandidateTrial> Trials { get; init; }

    /// <summary>How the network answers; null where the head is written.</summary>
    public NetworkAnswer? Answer { get; private init; }

    /// <summary>Why the head is written; null where it is not.</summary>
    public string? Doubt
    {
        get
        {
            if (Answer is not null)
                return null;
            CandidateTrial best = Trials.Skip(1).MinBy(trial => trial.LogLoss)!;
            string way = best.Model == TunedModel.Blend ? ", taken together with it," : "";
            return string.Create(
                CultureInfo.InvariantCulture,
                $"training{way} gained {Math.Max(0, best.Gain):f3} in log-loss on the validation images over the head "
                    + $"on the pretrained network, less than chance alone may give ({Errors(best.Model) * best.GainError:f3})"
            );
        }
    }

    /// <summary>Chooses.</summary>
    /// <param name="head">What the head says of the validation images.</param>
    /// <param name="own">What the trained network says of them.</param>
    /// <param name="again">What it says with a new head.</param>
    /// <param name="blends">Whether the mean may be taken.</param>
    public static NetworkChoice Of(
        OutOfFoldPredictions head,
        OutOfFoldPredictions own,
        OutOfFoldPredictions again,
        bool blends
    )
    {
        HeldOutLogits first = head.Judged(areFew: true);
        double[] losses = first.Losses(first.Temper());
        (CandidateTrial Trial, double Temperature) Judge(TunedModel model, OutOfFoldPredictions said)
        {
            HeldOutLogits judged = said.Judged(areFew: true);
            HeldOut found = judged.Judge(judged.Temper());
            (double behind, double error) = judged.Behind(judged.Losses(found.LogitScale), losses);
            return (
                new CandidateTrial(model, found.LogLoss, found.Accuracy, 0 - behind, error, false),
                1 / found.LogitScale
            );
        }

        List<(CandidateTrial Trial, double Temperature)> judged =
        [
            Judge(TunedModel.Head, head),
            Judge(TunedModel.Trained, own),
            Judge(TunedModel.NewHead, again),
        ];
        bool hasNewHead = judged[2].Trial.LogLoss < judged[1].Trial.LogLoss;
        OutOfFoldPredictions better = hasNewHead ? again : own;
        double temperature = judged[hasNewHead ? 2 : 1].Temperature;
        if (blends)
            judged.Add(Judge(TunedModel.Blend, Mean(head, better, temperature)));
        CandidateTrial? taken = judged
            .Select(candidate => candidate.Trial)
            .Skip(1)
            .Where(trial => trial.Gain > 0 && trial.Gain >= Errors(trial.Model) * trial.GainError)
            .MinBy(trial => trial.LogLoss);
        TunedModel model = taken?.Model ?? TunedModel.Head;
        return new NetworkChoice
        {
            Trials = [.. judged.Select(candidate => candidate.Trial with { Taken = candidate.Trial.Model == model })],
            Answer = model switch
            {
                TunedModel.Head => null,
                TunedModel.Trained => NetworkAnswer.Alone,
                TunedModel.NewHead => new NetworkAnswer(true, temperature, null),
                _ => new NetworkAnswer(hasNewHead, hasNewHead ? temperature : 1, judged[3].Temperature),
            },
        };
    }

    /// <summary>The mean of logits: the head's as they are, the network's at their best temperature.</summary>
    private static OutOfFoldPredictions Mean(OutOfFoldPredictions head, OutOfFoldPredictions own, double temperature)
    {
        float scale = (float)(1 / temperature);
        float[] mean = new float[own.Logits.Length];
        for (int i = 0; i < mean.Length; i++)
            mean[i] = (head.Logits.Span[i] + scale * own.Logits.Span[i]) / 2;
        return new OutOfFoldPredictions([.. own.Rows], [.. own.Labels], mean, own.Classes);
    }
}
