namespace MlNetTransfer.Heads;

/// <summary>How to calibrate a head. Immutable; an invalid instance cannot be made.</summary>
public sealed record CalibratedTrainerOptions
{
    /// <summary>Folds, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>Seed of the division into folds. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Folds at the same time, in [1, 1024]; the result does not depend on it. Default 1: most trainers use all cores
    /// themselves.
    /// </summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = 1;
}
