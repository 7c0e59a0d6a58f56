namespace MlNetTransfer.Datasets;

/// <summary>How to read a data set. Immutable; an invalid instance cannot be made.</summary>
public sealed record DatasetOptions
{
    /// <summary>
    /// Fewest classes accepted; in [1, 2³¹ - 1]: 2 to train a classifier, 1 to evaluate one. Default 2.
    /// </summary>
    public int MinimumClasses
    {
        get;
        init => field = Check.InRange(value, 1, int.MaxValue);
    } = 2;

    /// <summary>
    /// What to do with unknown columns of a list. Default: pass them over; <see cref="ImageDataset.UnusedColumns"/>
    /// names them.
    /// </summary>
    public ExtraColumns ExtraColumns { get; init; } = ExtraColumns.Ignore;

    /// <summary>
    /// The column of a list that has the paths, in any case. Default null: path, ImagePath, ImageSource, image, file or
    /// filename, whichever is there.
    /// </summary>
    public string? PathColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The column of a list that has the labels, in any case. Default null: label or class, whichever is there.
    /// </summary>
    public string? LabelColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>What a list may cost.</summary>
    public ListLimits Lists { get; init; } = new();

    /// <summary>What an archive may cost.</summary>
    public ZipLimits Zip { get; init; } = new();
}
