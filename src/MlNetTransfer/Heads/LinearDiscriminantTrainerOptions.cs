namespace MlNetTransfer.Heads;

/// <summary>How to fit a linear discriminant. Immutable; an invalid instance cannot be made.</summary>
public sealed record LinearDiscriminantTrainerOptions
{
    /// <summary>
    /// The shrinkage that predicted best on real features with 1 to 40 images per class; what the automatic choice and
    /// the choice by name use.
    /// </summary>
    public const double StrongShrinkage = 0.7;

    /// <summary>
    /// Share of the covariance that is replaced by the identity times its mean variance, in [0.01, 1]. Default null: by
    /// Ledoit and Wolf's rule, class by class. For up to some dozen rows per class give 0.7: best of 0.1 to 0.9 on real
    /// features with 1 to 20 rows per class.
    /// </summary>
    public double? Shrinkage
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 0.01, 1, nameof(Shrinkage));
    }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
