namespace MlNetTransfer.Heads;

/// <summary>How to fit a linear discriminant. Immutable; an invalid instance cannot be made.</summary>
public sealed record LinearDiscriminantTrainerOptions
{
    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers { get; init => field = Check.InRange(value, 1, 1024, nameof(Workers)); } = Environment.ProcessorCount;
}
