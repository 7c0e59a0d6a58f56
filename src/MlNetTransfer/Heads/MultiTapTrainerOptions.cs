namespace MlNetTransfer.Heads;

/// <summary>How to fit a head on several taps. Immutable; an invalid instance cannot be made.</summary>
public sealed record MultiTapTrainerOptions
{
    /// <summary>
    /// Share of the features that is kept, in (0, 1]. Default null: chosen among 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7
    /// and 1 by cross-validation.
    /// </summary>
    public double? Fraction
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 1e-6, 1, nameof(Fraction));
    }

    /// <summary>Folds, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>Seed of the division into folds. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
