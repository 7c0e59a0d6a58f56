using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Training;

/// <summary>One training of a network: what, and how.</summary>
internal sealed record FineTuneRun
{
    /// <summary>The recipe.</summary>
    public required FineTuneOptions Options { get; init; }

    /// <summary>How much is trained.</summary>
    public required TrainingStrategy Strategy { get; init; }

    /// <summary>What is trained.</summary>
    public required FineTunePlan Plan { get; init; }

    /// <summary>How much a row of each class counts.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Seed of whatever is drawn.</summary>
    public int Seed { get; init; }

    /// <summary>Fold, from 1; 0 for the training whose model is written.</summary>
    public int Fold { get; init; }

    /// <summary>What another training has chosen; null where this one chooses.</summary>
    public TuneChoice? Chosen { get; init; }

    /// <summary>Whether it is the second training, on all images.</summary>
    public bool IsRefit => Chosen is not null;

    /// <summary>Threads that read images; no result depends on it.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Whether training images are varied.</summary>
    public bool Varies => Options.Augmentation != AugmentationPreset.None;
}
