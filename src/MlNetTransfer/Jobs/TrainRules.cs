using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// The options of a training run that have an effect only together with others, in one table. What has none is refused.
/// </summary>
/// <remarks>An option that is given and silently ignored looks like one that was tried and did not help.</remarks>
public static class TrainRules
{
    private const string Tuned = "--strategy finetune, full or scratch";
    private static readonly FineTuneOptions Default = new();

    private static readonly Rule[] Table =
    [
        Tuning("--freeze", nameof(Default.Freeze), o => o.Freeze is not null),
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
        Tuning(null, nameof(Default.CacheBytes), o => o.CacheBytes != Default.CacheBytes),
        Tuning("--time-budget", nameof(Default.TimeBudget), o => o.TimeBudget is not null),
        Tuning(null, nameof(Default.Threads), o => o.Threads is not null),
        new("--resume", nameof(TrainOptions.Resume), o => o.Resume, IsTuned, Tuned),
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
            o => o.Strategy != TrainingStrategy.Scratch,
            "--strategy head, finetune or full: from scratch is from random weights"
        ),
        new(
            "--head",
            nameof(TrainOptions.Head),
            o => o.Head != HeadKind.Auto,
            o => o.Strategy != TrainingStrategy.Scratch,
            "--strategy head, finetune or full: from scratch, the head is trained with the network"
        ),
        new(
            "--class-weights",
            nameof(TrainOptions.ClassWeights),
            o => o.ClassWeights != ClassWeights.None,
            o => IsTuned(o) || o.Head is HeadKind.Softmax or HeadKind.Auto,
            "--head softmax (or auto, which it then is)"
        ),
        new(
            "--l2",
            nameof(TrainOptions.L2),
            o => o.L2 is not null,
            o => o.Strategy != TrainingStrategy.Scratch && IsSoftmax(o),
            "--head softmax"
        ),
        new(
            "--test-fraction",
            nameof(TrainOptions.TestFraction),
            o => o.TestFraction is not null,
            o => o.Folds == 0,
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
        if (options.Head == HeadKind.Auto && options.ClassWeights != ClassWeights.None)
            yield return "Class weights are those of a softmax head, so that kind was taken without comparing it "
                + "with others.";
    }

    private static bool IsTuned(TrainOptions options) => options.Strategy != TrainingStrategy.Head;

    private static bool IsSoftmax(TrainOptions options) =>
        options.Head == HeadKind.Softmax
        || (options.Head == HeadKind.Auto && options.ClassWeights != ClassWeights.None);

    private static string InFineTune(string property) => $"{nameof(TrainOptions.FineTune)}.{property}";

    private static Rule Tuning(string? option, string property, Func<FineTuneOptions, bool> isGiven) =>
        new(option, InFineTune(property), o => isGiven(o.FineTune), IsTuned, Tuned);

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
            (option == "--class-weights" && options.ClassWeights == ClassWeights.None)
            || (option == "--head" && options.Head == HeadKind.Auto);
    }
}
