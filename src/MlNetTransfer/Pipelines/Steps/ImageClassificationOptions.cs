using MlNetTransfer.Heads;

namespace MlNetTransfer.Pipelines;

/// <summary>How <see cref="ImageClassificationTrainer"/> trains, under the names of ML.NET's ImageClassificationTrainer where they mean the same. Immutable; an invalid instance cannot be made.</summary>
public sealed record ImageClassificationOptions
{
    /// <summary>The column of classes: a key. Default "Label".</summary>
    public string LabelColumnName { get; init => field = Check.NotEmpty(value); } = "Label";

    /// <summary>The column to learn from: images, or features that a step before made (ApplyBackbone, ApplyOnnxModel). Default "Features".</summary>
    public string FeatureColumnName { get; init => field = Check.NotEmpty(value); } = "Features";

    /// <summary>The column of calibrated probabilities, a vector [classes]. Default "Score".</summary>
    public string ScoreColumnName { get; init => field = Check.NotEmpty(value); } = "Score";

    /// <summary>The column of the likeliest class, a key. Default "PredictedLabel".</summary>
    public string PredictedLabelColumnName { get; init => field = Check.NotEmpty(value); } = "PredictedLabel";

    /// <summary>Of a column of images, the id of the backbone's card (ML.NET: Arch). Default null: "mobilenet_v2_140".</summary>
    public string? Backbone { get; init => field = value is null ? null : Check.NotEmpty(value); }

    /// <summary>Of a column of images, the taps to take features from, side by side. Default null: the best one, or all together where that is better.</summary>
    public IReadOnlyList<string>? Taps { get; init => field = value is null or { Count: > 0 } ? value : throw new ArgumentException("Name at least one tap, or none for the automatic choice.", nameof(Taps)); }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>: discriminant, ridge or softmax, by cross-validation on the training rows.</summary>
    public HeadKind Head { get; init; }

    /// <summary>L2 penalty of a softmax head, in [1e-8, 1e4]. Default null: chosen by cross-validation.</summary>
    public double? L2 { get; init => field = value is { } l2 ? Check.InRange(l2, 1e-8, 1e4) : null; }

    /// <summary>How much a row of each class counts in a softmax head, which the automatic choice then is. Default none: equally.</summary>
    public ClassWeights ClassWeights { get; init; } = ClassWeights.None;

    /// <summary>Passes over the training rows at most, in [1, 100000]. Default null: 100. For <see cref="HeadKind.Mlp"/> only: the other heads are solved, not trained in epochs.</summary>
    public int? Epoch { get; init => field = value is { } epochs ? Check.InRange(epochs, 1, 100_000) : null; }

    /// <summary>Rows per step, in [1, 65536]. Default null: 32. For <see cref="HeadKind.Mlp"/> only.</summary>
    public int? BatchSize { get; init => field = value is { } rows ? Check.InRange(rows, 1, 65_536) : null; }

    /// <summary>Learning rate of AdamW, in [1e-7, 1]. Default null: 1e-3. For <see cref="HeadKind.Mlp"/> only.</summary>
    public double? LearningRate { get; init => field = value is { } rate ? Check.InRange(rate, 1e-7, 1) : null; }

    /// <summary>When to stop before the last epoch. Default null: after 8 epochs without a lower validation loss. For <see cref="HeadKind.Mlp"/> only.</summary>
    public EarlyStopping? EarlyStoppingCriteria { get; init; }

    /// <summary>Rows that decide when to stop; of the same columns as the training rows, before this step. Default null: <see cref="ValidationSetFraction"/>. For <see cref="HeadKind.Mlp"/> only.</summary>
    public IDataView? ValidationSet { get; init; }

    /// <summary>Share of each class that only decides when to stop, in [0.01, 0.5]. Default null: 0.15. For <see cref="HeadKind.Mlp"/> only.</summary>
    public double? ValidationSetFraction { get; init => field = value is { } share ? Check.InRange(share, 0.01, 0.5) : null; }

    /// <summary>Told how far the fit of the head is, with the validation loss where there is one. Default null.</summary>
    public Action<FitProgress>? MetricsCallback { get; init; }

    /// <summary>Of a column of images, the folder where features are kept. Default null: the context's cache.</summary>
    public string? WorkspacePath { get; init => field = value is null ? null : Check.NotEmpty(value); }

    /// <summary>Of a column of images, whether features are read from and stored in the cache. Features are found by the content of the image and of all else they depend on, so they cannot be stale. Default true.</summary>
    public bool ReuseTrainSetBottleneckCachedValues { get; init; } = true;

    /// <summary>The options that only a fit in epochs knows, of those that are set.</summary>
    internal IEnumerable<string> EpochOptions()
    {
        if (Epoch is not null) yield return nameof(Epoch);
        if (BatchSize is not null) yield return nameof(BatchSize);
        if (LearningRate is not null) yield return nameof(LearningRate);
        if (EarlyStoppingCriteria is not null) yield return nameof(EarlyStoppingCriteria);
        if (ValidationSet is not null) yield return nameof(ValidationSet);
        if (ValidationSetFraction is not null) yield return nameof(ValidationSetFraction);
    }

    /// <summary>The options that only a column of images knows, of those that are set.</summary>
    internal IEnumerable<string> ImageOptions()
    {
        if (Backbone is not null) yield return nameof(Backbone);
        if (Taps is not null) yield return nameof(Taps);
        if (WorkspacePath is not null) yield return nameof(WorkspacePath);
        if (!ReuseTrainSetBottleneckCachedValues) yield return nameof(ReuseTrainSetBottleneckCachedValues);
    }
}
