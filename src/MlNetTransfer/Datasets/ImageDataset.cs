namespace MlNetTransfer.Datasets;

/// <summary>Images with labels, in an order that does not depend on the file system.</summary>
/// <param name="Source">Where the images came from; named in errors.</param>
/// <param name="ClassNames">The classes in ordinal order; the index is the label.</param>
/// <param name="Items">The images, ordered by name (ordinal).</param>
/// <param name="Rejected">Files that could not become an item, and why.</param>
public sealed record ImageDataset(string Source, IReadOnlyList<string> ClassNames, IReadOnlyList<ImageItem> Items, IReadOnlyList<RejectedImage> Rejected)
{
    /// <summary>Images per class [classes].</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassNames.Count];
        foreach (ImageItem item in Items) counts[item.Label]++;
        return counts;
    }
}
