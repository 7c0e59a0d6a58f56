using MlNetTransfer.Heads;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>What a training run did and how well its model does on the held-out images.</summary>
public sealed record TrainSummary : EvaluationSummary
{
    /// <summary>Images the head was trained on.</summary>
    public required int TrainImages { get; init; }

    /// <summary>Held-out images the evaluation is of.</summary>
    public required int TestImages { get; init; }

    /// <summary>Id of the backbone's card.</summary>
    public required string Backbone { get; init; }

    /// <summary>The tap that the features are taken from.</summary>
    public required string Tap { get; init; }

    /// <summary>Features per image.</summary>
    public required int FeatureWidth { get; init; }

    /// <summary>The head's L2 penalty.</summary>
    public required double L2 { get; init; }

    /// <summary>Penalties tried by cross-validation on the training part.</summary>
    public required IReadOnlyList<L2Trial> L2Path { get; init; }

    /// <summary>Seed of the split and the folds.</summary>
    public required int Seed { get; init; }

    /// <summary>Share of each class held out; where the images come with a split of their own, the share of all images.</summary>
    public required double TestFraction { get; init; }

    /// <summary>Images whose features came from the cache.</summary>
    public required int FromCache { get; init; }

    /// <summary>The model file.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>SHA-256 over all that training depended on, hexadecimal.</summary>
    public required string TrainingDigest { get; init; }

    /// <summary>How far the written file agrees with what was evaluated.</summary>
    public required ParityRecord Parity { get; init; }

    /// <summary>What a reader of the figures should know, e.g. images that are in both parts.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}
