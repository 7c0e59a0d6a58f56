namespace MlNetTransfer.Datasets;

/// <summary>How to read a data set. Immutable; an invalid instance cannot be made.</summary>
public sealed record DatasetOptions
{
    /// <summary>Fewest classes accepted; in [1, 2³¹ - 1]: 2 to train a classifier, 1 to evaluate one. Default 2.</summary>
    public int MinimumClasses { get; init => field = Check.InRange(value, 1, int.MaxValue); } = 2;

    /// <summary>What to do with unknown columns of a list. Default: refuse them.</summary>
    public ExtraColumns ExtraColumns { get; init; } = ExtraColumns.Refuse;

    /// <summary>What a list may cost.</summary>
    public ListLimits Lists { get; init; } = new();

    /// <summary>What an archive may cost.</summary>
    public ZipLimits Zip { get; init; } = new();
}
