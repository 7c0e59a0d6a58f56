using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Advice;

/// <summary>What, when and how to transfer, with the evidence: the answer of advice. Immutable.</summary>
public sealed record TransferAdvice
{
    /// <summary>The ways to train, the one to take first.</summary>
    public required IReadOnlyList<AdvisedStrategy> Strategies { get; init; }

    /// <summary>Size and balance of the data.</summary>
    public required DataSummary Data { get; init; }

    /// <summary>The quadrant of the rule of thumb that the data fall into, by the network alone.</summary>
    public required DataQuadrant Quadrant { get; init; }

    /// <summary>How far the images are from others that were named; null where none were.</summary>
    public DomainDistance? Source { get; init; }

    /// <summary>Whether the pretrained features beat what has learnt nothing, on the same images.</summary>
    public required IReadOnlyList<BaselineTrial> Baselines { get; init; }

    /// <summary>Backbones, taps and heads by cross-validation, the most accurate first.</summary>
    public required IReadOnlyList<LeaderboardRow> Leaderboard { get; init; }

    /// <summary>Estimates for every backbone and tap.</summary>
    public required IReadOnlyList<BackboneEstimate> Estimates { get; init; }

    /// <summary>What was tried in the time there was, beside the head; empty where nothing was.</summary>
    public IReadOnlyList<StrategyTrial> Trials { get; init; } = [];

    /// <summary>What a reader should know.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Whether pretrained features are worse than one of the baselines, beyond noise.</summary>
    public bool IsNegativeTransfer => Baselines.Any(baseline => baseline.GainInterval[1] < 0);
}

/// <summary>Size and balance of labelled images.</summary>
/// <param name="Images">Images to train on.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Smallest">Images of the smallest class.</param>
/// <param name="Median">Images of the class in the middle.</param>
/// <param name="Largest">Images of the largest class.</param>
/// <param name="MedianWidth">Columns of the image in the middle.</param>
/// <param name="MedianHeight">Rows of the image in the middle.</param>
public sealed record DataSummary(
    int Images,
    int Classes,
    int Smallest,
    int Median,
    int Largest,
    int MedianWidth,
    int MedianHeight
);

/// <summary>A way to train, as advised.</summary>
/// <param name="Strategy">The strategy of <c>train</c>, e.g. "head" or "finetune".</param>
/// <param name="Freeze">Share of the blocks that stays frozen, in [0, 1].</param>
/// <param name="Backbone">Id of the backbone; of several side by side, theirs with '+' between.</param>
/// <param name="Accuracy">Accuracy to expect on other images, in [0, 1].</param>
/// <param name="Interval">Its 95 % interval [low, high].</param>
/// <param name="Evidence">What that rests on.</param>
/// <param name="TrainSeconds">About how long training takes on this machine.</param>
/// <param name="Milliseconds">Scoring an image on one core of this machine.</param>
/// <param name="Reason">Why it stands where it stands, in a sentence.</param>
public sealed record AdvisedStrategy(
    string Strategy,
    double Freeze,
    string Backbone,
    double Accuracy,
    IReadOnlyList<double> Interval,
    AdviceEvidence Evidence,
    double TrainSeconds,
    double Milliseconds,
    string Reason
)
{
    /// <summary>The options of <c>train</c> that do it.</summary>
    public required string Options { get; init; }
}

/// <summary>What an expected accuracy rests on.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<AdviceEvidence>))]
public enum AdviceEvidence
{
    /// <summary>Cross-validated on these images.</summary>
    CrossValidated,

    /// <summary>Tried on a part of these images, judged on the rest, beside the head.</summary>
    Tried,

    /// <summary>Not tried: what it gained or lost over the head on other tasks, see <see cref="KnownGains"/>.</summary>
    OtherTasks,
}

/// <summary>Something that has learnt nothing, beside pretrained features: the same head on the same images.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Accuracy">Its accuracy on images held out, in [0, 1].</param>
/// <param name="Pretrained">That of the pretrained features, on the same images.</param>
/// <param name="Gain">The second less the first.</param>
/// <param name="GainInterval">The 95 % interval of that [low, high].</param>
/// <param name="Images">Images that it was judged on.</param>
public sealed record BaselineTrial(
    string Name,
    double Accuracy,
    double Pretrained,
    double Gain,
    IReadOnlyList<double> GainInterval,
    int Images
);

/// <summary>Estimates for a backbone and tap; see <see cref="Transferability"/>. Higher is better.</summary>
/// <param name="Backbone">Id of the backbone.</param>
/// <param name="Tap">The tap.</param>
/// <param name="LogMe">LogME.</param>
/// <param name="HScore">The regularised H-score.</param>
/// <param name="NearestNeighbour">Accuracy of one nearest neighbour, leaving one out.</param>
/// <param name="Leep">LEEP; null where the backbone has no classes of its own.</param>
/// <param name="ConditionalEntropy">Negative conditional entropy; null as before.</param>
public sealed record BackboneEstimate(
    string Backbone,
    string Tap,
    double LogMe,
    double HScore,
    double NearestNeighbour,
    double? Leep,
    double? ConditionalEntropy
);
