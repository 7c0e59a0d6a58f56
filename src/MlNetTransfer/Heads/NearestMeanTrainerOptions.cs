namespace MlNetTransfer.Heads;

/// <summary>How to fit a nearest-mean head. Immutable; an invalid instance cannot be made.</summary>
public sealed record NearestMeanTrainerOptions
{
    /// <summary>
    /// How far every class mean is moved towards the mean of the class means, in [0, 1): of use for one or two rows per
    /// class. Default 0.
    /// </summary>
    public double Shrinkage
    {
        get;
        init => field = Check.InRange(value, 0, 0.999, nameof(Shrinkage));
    }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}
