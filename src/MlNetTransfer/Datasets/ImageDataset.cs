namespace MlNetTransfer.Datasets;

/// <summary>Images with labels, in an order that does not depend on the file system.</summary>
/// <param name="Source">Where the images came from; named in errors.</param>
/// <param name="ClassNames">The classes in ordinal order; the index is the label.</param>
/// <param name="Items">The images, ordered by name (ordinal); images to predict from a list keep the list's
/// order.</param>
/// <param name="Rejected">Files that could not become an item, and why.</param>
public sealed record ImageDataset(
    string Source,
    IReadOnlyList<string> ClassNames,
    IReadOnlyList<ImageItem> Items,
    IReadOnlyList<RejectedImage> Rejected
)
{
    /// <summary>
    /// The part of the pre-made split that each image belongs to [items]; null where the source has no split of its
    /// own.
    /// </summary>
    public IReadOnlyList<SplitPart>? Splits { get; init; }

    /// <summary>Columns of a list that mean nothing here and had no effect.</summary>
    public IReadOnlyList<string> UnusedColumns { get; init; } = [];

    /// <summary>Images per class [classes].</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassNames.Count];
        foreach (ImageItem item in Items)
            counts[item.Label]++;
        return counts;
    }
}
