namespace MlNetTransfer.Datasets;

/// <summary>One image of a data set.</summary>
/// <param name="Location">Where its bytes are.</param>
/// <param name="Name">How the image is called in reports: its path below the data set's folder or in its archive, with
/// '/' on every system, or the path that its list gives.</param>
/// <param name="Label">Index into the data set's class names; -1 where the image has no label.</param>
/// <param name="Group">What it has in common with other images (a patient, a camera, a burst of shots); images of one
/// group never stand on both sides of a split. Null where it stands alone.</param>
public sealed record ImageItem(ImageLocation Location, string Name, int Label = ImageItem.NoLabel, string? Group = null)
{
    /// <summary>The label of an image without one.</summary>
    public const int NoLabel = -1;

    /// <summary>An image that is a file of its own.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">How the image is called in reports.</param>
    /// <param name="label">Index into the data set's class names; -1 where the image has no label.</param>
    /// <param name="group">Images of one group never stand on both sides of a split.</param>
    public ImageItem(string path, string name, int label = NoLabel, string? group = null)
        : this(new FileLocation(path), name, label, group) { }
}
