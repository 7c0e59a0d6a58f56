using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// The options of a training run that have an effect only together with others, in one table. What has none is refused.
/// </summary>
/// <remarks>An option that is given and silently ignored looks like one that was tried and did not help.</remarks>
public static class TrainRules
{
    private const string Tuned = "--strategy auto, finetune, full or scratch",
        Choosing = "--backbone auto";
    private static readonly FineTuneOptions Default = new();

    private static readonly Rule[] Table =
    [
        new("--backbones", nameof(TrainOptions.Backbones), o => o.Backbones is not null, Chooses, Choosing),
        new("--max-ms", nameof(TrainOptions.MaxMilliseconds), o => o.MaxMilliseconds is not null, Chooses, Choosing),
        new(
            "--taps",
            nameof(TrainOptions.Taps),
            o => o.Taps is not null,
            o => !Chooses(o),
            "a --backbone that is named: with auto, taps are chosen with it"
        ),
        new(
            "--tta",
            nameof(TrainOptions.TestTimeAugmentation),
            o => o.TestTimeAugmentation != TestTimeAugmentation.None,
            o => !IsTuned(o),
            "--strategy head: a network that is trained sees mirror images by --augment"
        ),
        OfImages(
            "--tta",
            nameof(TrainOptions.TestTimeAugmentation),
            o => o.TestTimeAugmentation != TestTimeAugmentation.None
        ),
        new(
            "--unlabelled",
            nameof(TrainOptions.Unlabelled),
            o => o.Unlabelled is not null,
            o =>
                !IsTuned(o)
                && (o.Head == HeadKind.Auto || o.Head == HeadKind.Kernel)
                && o.Thresholds == ClassThresholds.None,
            "--strategy head, with --head auto or kernel and without --thresholds"
        ),
        new(
            "--pseudo-labels",
            nameof(TrainOptions.PseudoLabels),
            o => o.PseudoLabels is not null,
            o => o.Unlabelled is not null,
            "images without labels (--unlabelled)"
        ),
        Tuning("--freeze", nameof(Default.Freeze), o => o.Freeze is not null),
        Tuning("--parameters", nameof(Default.Parameters), o => o.Parameters != Default.Parameters),
        Tuning("--epochs", nameof(Default.Epochs), o => o.Epochs is not null),
        Tuning("--lr", nameof(Default.LearningRate), o => o.LearningRate is not null),
        Tuning(null, nameof(Default.HeadRate), o => o.HeadRate is not null),
        Tuning(null, nameof(Default.BlockDecay), o => o.BlockDecay != Default.BlockDecay),
        Tuning("--batch", nameof(Default.BatchSize), o => o.BatchSize != Default.BatchSize),
        Tuning("--micro-batch", nameof(Default.MicroBatch), o => o.MicroBatch is not null),
        Tuning("--optimizer", nameof(Default.Optimizer), o => o.Optimizer != Default.Optimizer),
        Tuning("--schedule", nameof(Default.Schedule), o => o.Schedule != Default.Schedule),
        Tuning(null, nameof(Default.WarmUp), o => o.WarmUp != Default.WarmUp),
        Tuning("--augment", nameof(Default.Augmentation), o => o.Augmentation != Default.Augmentation),
        Tuning(null, nameof(Default.Draws), o => o.Draws != Default.Draws),
        Tuning("--weight-decay", nameof(Default.WeightDecay), o => o.WeightDecay != Default.WeightDecay),
        Tuning("--l2-sp", nameof(Default.StartingPointDecay), o => o.StartingPointDecay != Default.StartingPointDecay),
        Tuning("--label-smoothing", nameof(Default.LabelSmoothing), o => o.LabelSmoothing != Default.LabelSmoothing),
        Tuning("--dropout", nameof(Default.Dropout), o => o.Dropout != Default.Dropout),
        Tuning(null, nameof(Default.ClipNorm), o => o.ClipNorm != Default.ClipNorm),
        Tuning("--ema", nameof(Default.AverageDecay), o => o.AverageDecay is not null),
        Tuning("--gradual", nameof(Default.GradualUnfreezing), o => o.GradualUnfreezing),
        Tuning(null, nameof(Default.BatchStatistics), o => o.BatchStatistics is not null),
        Tuning(null, nameof(Default.ValidationFraction), o => o.ValidationFraction != Default.ValidationFraction),
        Tuning("--patience", nameof(Default.Patience), o => o.Patience is not null),
        Tuning("--no-refit", nameof(Default.Refit), o => !o.Refit),
        Tuning("--no-blend", nameof(Default.Blend), o => !o.Blend),
        Tuning(null, nameof(Default.CacheBytes), o => o.CacheBytes != Default.CacheBytes),
        Tuning("--time-budget", nameof(Default.TimeBudget), o => o.TimeBudget is not null),
        Tuning(null, nameof(Default.Engine), o => o.Engine != Default.Engine),
        Tuning(null, nameof(Default.Threads), o => o.Threads is not null),
        new(
            "--preset",
            nameof(TrainOptions.Preset),
            o => o.Preset is not null,
            o => o.Strategy.Chooses,
            "--strategy auto, which tries as much as it says"
        ),
        new("--log", nameof(TrainOptions.Logs), o => o.Logs != LogFormats.None, IsTuned, Tuned),
        new("--resume", nameof(TrainOptions.Resume), o => o.Resume, IsTuned, Tuned),
        OfImages("--path-column", "Dataset.PathColumn", o => o.Dataset.PathColumn is not null),
        OfImages("--max-megapixels", nameof(TrainOptions.Limits), o => o.Limits != new ImageLimits()),
        OfImages(
            "--augment",
            InFineTune(nameof(Default.Augmentation)),
            o => o.FineTune.Augmentation != AugmentationPreset.None && o.FineTune.Augmentation != Default.Augmentation
        ),
        OfImages(null, InFineTune(nameof(Default.Draws)), o => o.FineTune.Draws != Default.Draws),
        new(
            "--micro-batch",
            InFineTune(nameof(Default.MicroBatch)),
            o => o.FineTune.MicroBatch is not null,
            o => o.FineTune.MicroBatch < o.FineTune.BatchSize,
            "a --batch that is larger"
        ),
        new(
            "--init",
            InFineTune(nameof(Default.InitialWeights)),
            o => o.FineTune.InitialWeights is not null,
            o => !IsRandom(o),
            "--strategy head, finetune or full: from scratch is from random weights"
        ),
        new(
            "--head",
            nameof(TrainOptions.Head),
            o => o.Head != HeadKind.Auto,
            o => !IsRandom(o),
            "--strategy head, finetune or full: from scratch, the head is trained with the network"
        ),
        new(
            "--thresholds",
            nameof(TrainOptions.Thresholds),
            o => o.Thresholds != ClassThresholds.None,
            o => !IsTuned(o),
            "--strategy head"
        ),
        new(
            "--l2",
            nameof(TrainOptions.L2),
            o => o.L2 is not null,
            o => !IsRandom(o) && o.Head.TakesL2,
            "--head softmax"
        ),
        new(
            "--test-fraction",
            nameof(TrainOptions.TestFraction),
            o => o.TestFraction is not null,
            o => o.Folds is null,
            "a run without --folds, which hold every image out once"
        ),
    ];

    /// <summary>The first option that has no effect.</summary>
    /// <param name="options">The run.</param>
    /// <param name="given">Names of command line options that were given, even if with their defaults; null outside the
    /// command line.</param>
    /// <returns>What to say of it, or null where all have an effect.</returns>
    public static string? Violation(TrainOptions options, IReadOnlyCollection<string>? given = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        Rule? broken = Table.FirstOrDefault(r => r.IsIn(options, given) && !r.HasEffect(options));
        if (broken is null)
            return null;
        string name =
            given is not null && broken.Option is { } option ? option
            : broken.Option is null ? broken.Property
            : $"{broken.Property} ({broken.Option})";
        return $"{name} has no effect here: it needs {broken.Needs}. Give that, or leave "
            + $"{broken.Option ?? broken.Property} out.";
    }

    /// <exception cref="TransferException">An option has no effect; the message names it.</exception>
    internal static void Require(TrainOptions options)
    {
        if (Violation(options) is { } message)
            throw new TransferException(message);
    }

    /// <summary>What a reader should know of options that decide more than their name says.</summary>
    internal static IEnumerable<string> Notes(TrainOptions options)
    {
        if (options.ClassWeights == ClassWeights.Balanced)
            yield return "With balanced class weights a probability is what it would be if all classes were equally "
                + "frequent: rare classes are found more often, and frequent ones less.";
        if (options.Thresholds != ClassThresholds.None)
            yield return "The classes have thresholds of their own, for the highest macro F1: a probability says which "
                + "class to take, no longer how sure that is.";
        if (options.TestTimeAugmentation == TestTimeAugmentation.Flip)
            yield return "The model averages the features of an image and its mirror image, so it takes twice the time "
                + "to score.";
    }

    private static bool Chooses(TrainOptions options) => options.Backbone == BackboneCandidates.Auto;

    private static bool IsTuned(TrainOptions options) =>
        options.Strategy.Network is not null || options.Strategy.Chooses;

    private static bool IsRandom(TrainOptions options) => options.Strategy.Network is { IsRandom: true };

    private static string InFineTune(string property) => $"{nameof(TrainOptions.FineTune)}.{property}";

    private static Rule Tuning(string? option, string property, Func<FineTuneOptions, bool> isGiven) =>
        new(option, InFineTune(property), o => isGiven(o.FineTune), IsTuned, Tuned);

    /// <summary>An option that says something of images, or of their files.</summary>
    private static Rule OfImages(string? option, string property, Func<TrainOptions, bool> isGiven) =>
        new(
            option,
            property,
            isGiven,
            o => o.Dataset.TextColumn is null,
            "images, not a column of texts (--text-column)"
        );

    /// <summary>One row of the table.</summary>
    /// <param name="Option">Name on the command line; null where it has none.</param>
    /// <param name="Property">Name in <see cref="TrainOptions"/>.</param>
    /// <param name="IsGiven">Whether it differs from its default.</param>
    /// <param name="HasEffect">Whether it has an effect with the other options as they are.</param>
    /// <param name="Needs">What it needs to have one.</param>
    private sealed record Rule(
        string? Option,
        string Property,
        Func<TrainOptions, bool> IsGiven,
        Func<TrainOptions, bool> HasEffect,
        string Needs
    )
    {
        public bool IsIn(TrainOptions options, IReadOnlyCollection<string>? given) =>
            IsGiven(options)
            || (Option is { } option && given is not null && given.Contains(option) && !IsNone(option, options));

        /// <summary>Values that ask for nothing, such as --class-weights none, contradict nothing.</summary>
        private static bool IsNone(string option, TrainOptions options) =>
            (option == "--augment" && IsTuned(options) && options.FineTune.Augmentation == AugmentationPreset.None)
            || (option == "--tta" && options.TestTimeAugmentation == TestTimeAugmentation.None)
            || (option == "--head" && options.Head == HeadKind.Auto);
    }
}
