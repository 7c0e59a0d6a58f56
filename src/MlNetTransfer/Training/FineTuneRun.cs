using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>One training of a network: what, and how.</summary>
internal sealed record FineTuneRun
{
    /// <summary>The recipe.</summary>
    public required FineTuneOptions Options { get; init; }

    /// <summary>Where it starts.</summary>
    public required NetworkStart Start { get; init; }

    /// <summary>What is trained.</summary>
    public required FineTunePlan Plan { get; init; }

    /// <summary>What runs the steps.</summary>
    public required ITrainingEngine Engine { get; init; }

    /// <summary>What is left of the time budget; null where there is none.</summary>
    public TimeSpan? TimeLeft { get; init; }

    /// <summary>How much a row of each class counts.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Seed of whatever is drawn.</summary>
    public int Seed { get; init; }

    /// <summary>Fold, from 1; 0 for the training whose model is written.</summary>
    public int Fold { get; init; }

    /// <summary>What another training has chosen; null where this one chooses.</summary>
    public TuneChoice? Chosen { get; init; }

    /// <summary>Whether a first epoch that ruins the network ends it: where another rate can be taken.</summary>
    public bool EndsInRuin { get; init; }

    /// <summary>Whether it is the second training, on all images.</summary>
    public bool IsRefit => Chosen is not null;

    /// <summary>Threads that read images; no result depends on it.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Whether training images are varied.</summary>
    public bool Varies => Options.Augmentation != AugmentationPreset.None;
}

/// <summary>What validation images chose in one training, for a second one that has none.</summary>
/// <param name="Epochs">Epochs to train for, over which the schedule then goes.</param>
/// <param name="Share">1 for the weights of the last of them; else how far they lie from those of the start towards
/// those.</param>
/// <param name="Temperature">What to divide the logits by.</param>
/// <param name="LearningRate">Highest learning rate of the top block.</param>
/// <param name="Answer">How the network answers.</param>
internal sealed record TuneChoice(
    int Epochs,
    float Share,
    double Temperature,
    double LearningRate,
    NetworkAnswer Answer
);

/// <summary>What a training gave.</summary>
/// <param name="Weights">The backbone's weights that changed, by name.</param>
/// <param name="Head">The head, calibrated.</param>
/// <param name="Temperature">What its logits were divided by.</param>
/// <param name="BestEpoch">The epoch that the weights are of, the last where none was better than the start; 0 where
/// nothing that was trained is kept.</param>
/// <param name="Share">1 where the weights are that epoch's; else they lie between those of the start and of the last
/// epoch, with this share of the latter.</param>
/// <param name="Epochs">Epochs done.</param>
/// <param name="ValidationRows">Images that judged the epochs.</param>
/// <param name="Ended">Why training ended before its last epoch; null where it did not.</param>
internal sealed record TunedNetwork(
    NetworkWeights Weights,
    LinearHead Head,
    double Temperature,
    int BestEpoch,
    float Share,
    int Epochs,
    int ValidationRows,
    string? Ended
)
{
    /// <summary>
    /// Images of the second training, on all of them, that the weights are of; 0 where there was none.
    /// </summary>
    public int RefitRows { get; init; }

    /// <summary>Highest learning rate of the top block; 0 where there was no training.</summary>
    public double LearningRate { get; init; }

    /// <summary>Whether the first epoch ruined the network.</summary>
    public bool IsRuined { get; init; }

    /// <summary>Learning rates that were tried before; empty where it was given.</summary>
    public IReadOnlyList<RateTrial> Rates { get; init; } = [];

    /// <summary>What may be written, as the validation images see it; empty where there was no choice.</summary>
    public IReadOnlyList<CandidateTrial> Candidates { get; init; } = [];

    /// <summary>What its logits are for the validation images, not calibrated; null where there are none.</summary>
    public OutOfFoldPredictions? Answers { get; init; }

    /// <summary>How it answers.</summary>
    public NetworkAnswer Answer { get; init; } = NetworkAnswer.Alone;

    /// <summary>What the validation images chose.</summary>
    public TuneChoice Choice => new(BestEpoch, Share, Temperature, LearningRate, Answer);

    /// <summary>The network as it was pretrained, with the head fitted on its features.</summary>
    public static TunedNetwork Untrained(LinearHead head, double temperature = 1) =>
        new(new NetworkWeights(new Dictionary<string, float[]>()), head, temperature, 0, 1, 0, 0, null);
}
