using System.Text.Json.Serialization;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>A classifier that was adapted to images without labels.</summary>
public sealed record AdaptSummary
{
    /// <summary>Labelled images used.</summary>
    public required int Source { get; init; }

    /// <summary>Images of the other domain used.</summary>
    public required int Target { get; init; }

    /// <summary>The classes.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>Id of the backbone.</summary>
    public required string Backbone { get; init; }

    /// <summary>The kind of head that was fitted.</summary>
    public required string Head { get; init; }

    /// <summary>Names of the taps that its features are taken from.</summary>
    public required IReadOnlyList<string> Taps { get; init; }

    /// <summary>The alignments that were tried, the unmoved source first.</summary>
    public required IReadOnlyList<AlignmentTrial> Trials { get; init; }

    /// <summary>The alignment that the model is trained by.</summary>
    [JsonIgnore]
    public AlignmentTrial Taken => Trials.Single(trial => trial.Taken);

    /// <summary>Share of the target's images that is taken for each class [classes].</summary>
    public required IReadOnlyList<double> Shares { get; init; }

    /// <summary>The kind of head that is fitted on the unmoved source, which may be another.</summary>
    public required string UnadaptedHead { get; init; }

    /// <summary>Target images that the model takes for another class than one trained on the unmoved source.</summary>
    public required int Changed { get; init; }

    /// <summary>The judgement by the target's labels; null where they were not given to judge by.</summary>
    public AdaptJudgement? Judged { get; init; }

    /// <summary>The model file.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>How far the written file agrees with what was found for the target's images.</summary>
    public required ParityRecord Parity { get; init; }

    /// <summary>What a reader of the figures should know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Images that could not be used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>The options of the run; in JSON the request that <see cref="JobRequest.FromJson"/> reads.</summary>
    [JsonConverter(typeof(RequestConverter<AdaptOptions>))]
    public required AdaptOptions Options { get; init; }

    /// <summary>The command line that asked for the run; null where none did.</summary>
    public string? Command { get; init; }

    /// <summary>SHA-256 over all that training depended on, hexadecimal.</summary>
    public required string TrainingDigest { get; init; }

    /// <summary>Wall time.</summary>
    public required double Seconds { get; init; }
}

/// <summary>What labels of the target, which no choice looked at, say of a model that was adapted to it.</summary>
public sealed record AdaptJudgement
{
    /// <summary>Accuracy on the target's images, in [0, 1].</summary>
    public required double Accuracy { get; init; }

    /// <summary>95 % Wilson interval of that [low, high].</summary>
    public required IReadOnlyList<double> AccuracyInterval { get; init; }

    /// <summary>
    /// Accuracy of a model that is trained on the unmoved source in the same way, its taps and head chosen for it.
    /// </summary>
    public required double UnadaptedAccuracy { get; init; }

    /// <summary>95 % Wilson interval of that [low, high].</summary>
    public required IReadOnlyList<double> UnadaptedInterval { get; init; }

    /// <summary>Accuracy less that of the unadapted, on the same images.</summary>
    public required double Gain { get; init; }

    /// <summary>The 95 % interval of that [low, high], see <see cref="PairedDifference"/>.</summary>
    public required IReadOnlyList<double> GainInterval { get; init; }

    /// <summary>What that says.</summary>
    public TransferVerdict Verdict =>
        GainInterval[0] > 0 ? TransferVerdict.Helped
        : GainInterval[1] < 0 ? TransferVerdict.Harmed
        : TransferVerdict.NoDifference;

    /// <param name="truth">True labels [rows]; -1 for a row that has none.</param>
    /// <param name="before">Probabilities of the unadapted [rows × classes].</param>
    /// <param name="after">Those of the adapted.</param>
    /// <param name="classes">Number of classes.</param>
    internal static AdaptJudgement Of(int[] truth, float[] before, float[] after, int classes)
    {
        bool[] old = Right(before),
            now = Right(after);
        var gain = PairedDifference.Of(old, now);
        Interval gained = gain.Interval(),
            own = Wilson(now),
            other = Wilson(old);
        return new AdaptJudgement
        {
            Accuracy = now.Average(hit => hit ? 1.0 : 0),
            AccuracyInterval = [own.Low, own.High],
            UnadaptedAccuracy = old.Average(hit => hit ? 1.0 : 0),
            UnadaptedInterval = [other.Low, other.High],
            Gain = gain.Value,
            GainInterval = [gained.Low, gained.High],
        };

        bool[] Right(float[] probabilities) =>
            [.. JudgedRows.Right(truth, probabilities, classes).Where((_, row) => truth[row] >= 0)];
    }

    private static Interval Wilson(bool[] right) => WilsonInterval.Of(right.Count(hit => hit), right.Length);
}
