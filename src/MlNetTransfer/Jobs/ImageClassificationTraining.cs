using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>What a training did.</summary>
public sealed record ImageClassificationTraining
{
    /// <summary>How much of the network was trained.</summary>
    public required TrainingStrategy Strategy { get; init; }

    /// <summary>The kind of head, as it was chosen or asked for.</summary>
    public required string Head { get; init; }

    /// <summary>Rows that were trained on.</summary>
    public required int Images { get; init; }

    /// <summary>The backbone's taps in use; empty where features were given.</summary>
    public IReadOnlyList<string> Taps { get; init; } = [];

    /// <summary>
    /// What was found for each tap, by cross-validation on the rows that were trained on; empty where there was no
    /// choice.
    /// </summary>
    public IReadOnlyList<TapTrial> TapTrials { get; init; } = [];

    /// <summary>What was found for each kind of head, likewise.</summary>
    public IReadOnlyList<HeadTrial> HeadTrials { get; init; } = [];

    /// <summary>What images without labels did for it; null where none were given.</summary>
    public SelfTrainingSummary? SelfTraining { get; init; }

    /// <summary>
    /// What the model promises beside its probabilities: all of it where the options ask for it, else no more than
    /// whether its file scores unknown images; null where features were given.
    /// </summary>
    public Reliability? Reliability { get; init; }

    /// <summary>Rows whose image could not be used, and why.</summary>
    public IReadOnlyList<RejectedItem> Rejected { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Head} head, strategy {Strategy}, trained on {Images} "
        + $"images{(Taps.Count > 0 ? $" at {string.Join(", ", Taps)}" : "")}"
        + $"{(Rejected.Count > 0 ? $"; {Rejected.Count} could not be used" : "")}";
}
