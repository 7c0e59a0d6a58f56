namespace MlNetTransfer.Heads;

/// <summary>How to choose a head. Immutable; an invalid instance cannot be made.</summary>
public sealed record AutoHeadTrainerOptions
{
    /// <summary>Folds of the comparison, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>
    /// Rows that the candidates are compared on, about, in [20, 1000000]: more training rows are thinned class by
    /// class, at least 2 of each staying. Default 2000.
    /// </summary>
    public int ComparedRows
    {
        get;
        init => field = Check.InRange(value, 20, 1_000_000, nameof(ComparedRows));
    } = StratifiedSample.ComparedRows;

    /// <summary>Seed of the thinning, of the folds and of the candidates. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
