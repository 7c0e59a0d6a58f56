using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>What trainings of a network are fed with.</summary>
/// <param name="Images">The images.</param>
/// <param name="Table">Their features by the backbone as it was, at all taps side by side.</param>
/// <param name="Taps">The taps.</param>
/// <param name="Space">What the features depend on besides the images.</param>
/// <param name="Head">How the head to start from is fitted.</param>
/// <param name="Metrics">Told about every epoch.</param>
internal sealed record FineTuneInput(
    TrainingImages Images,
    FeatureTable Table,
    IReadOnlyList<BackboneTap> Taps,
    FeatureSpace Space,
    HeadRecipeOptions Head,
    MetricsFile Metrics
);
