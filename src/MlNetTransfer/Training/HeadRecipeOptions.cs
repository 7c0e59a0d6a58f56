using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>How features become a classifier. Immutable.</summary>
internal sealed record HeadRecipeOptions
{
    /// <summary>The kind of head.</summary>
    public HeadKind Head { get; init; }

    /// <summary>L2 penalty of a softmax head; null: chosen by cross-validation.</summary>
    public double? L2 { get; init; }

    /// <summary>How much a row of each class counts in a softmax head, which the automatic choice then is.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Whether the best of several taps is looked for; else all are taken together.</summary>
    public bool ChoosesTap { get; init; } = true;

    /// <summary>
    /// Whether the automatic choice is among linear heads only, which can become a layer of a network.
    /// </summary>
    public bool LinearOnly { get; init; }

    /// <summary>Seed of the folds and of whatever is drawn.</summary>
    public int Seed { get; init; }

    /// <summary>Threads at most; no result depends on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>How a perceptron is fitted; null for the defaults with the recipe's seed.</summary>
    public MlpTrainerOptions? Mlp { get; init; }

    /// <summary>
    /// Rows that decide when a perceptron's fit ends, as wide as the training rows; null: a part of those.
    /// </summary>
    public FeatureTable? Validation { get; init; }
}
