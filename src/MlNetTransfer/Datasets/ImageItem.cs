namespace MlNetTransfer.Datasets;

/// <summary>One image of a data set.</summary>
/// <param name="Path">The file to read.</param>
/// <param name="Name">How the image is called in reports: its path below the data set's folder, with '/' on every system.</param>
/// <param name="Label">Index into the data set's class names; -1 where the image has no label.</param>
public sealed record ImageItem(string Path, string Name, int Label = ImageItem.NoLabel)
{
    /// <summary>The label of an image without one.</summary>
    public const int NoLabel = -1;
}
