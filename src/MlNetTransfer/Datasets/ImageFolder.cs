namespace MlNetTransfer.Datasets;

/// <summary>
/// Reads image folders: one folder per class for training and evaluation, any tree of images for prediction.
/// </summary>
/// <remarks>
/// Every file below a class folder counts as an image, whatever its extension: what is not one is rejected later, by
/// name. Only what operating systems leave behind is passed over: names that start with a dot, Thumbs.db, desktop.ini
/// and __MACOSX. Links to folders are followed where a class folder is expected; further down they are not (they can be
/// endless) and stand in the ledger.
/// </remarks>
public static class ImageFolder
{
    /// <summary>
    /// Reads a folder that holds one folder of images per class. Its folders are classes whatever their names;
    /// <see cref="DatasetReader"/> knows split folders too.
    /// </summary>
    /// <param name="folder">The folder; each of its folders is a class and gives the class its name.</param>
    /// <param name="minimumClasses">Fewest classes accepted: 2 to train a classifier, 1 to evaluate one.</param>
    /// <exception cref="TransferException">
    /// The folder is missing or cannot be read, has too few classes, has a class without a file, or has two classes
    /// whose names differ in case only (one class on Windows and macOS, two on Linux).
    /// </exception>
    public static ImageDataset ReadClasses(string folder, int minimumClasses = 2) =>
        ClassFolders.Of(FolderTree.Read(folder, linkedLevels: 1), minimumClasses);

    /// <summary>Reads every image below a folder, without labels.</summary>
    /// <exception cref="TransferException">The folder is missing, cannot be read or holds no file.</exception>
    public static (IReadOnlyList<ImageItem> Items, IReadOnlyList<RejectedImage> Rejected) ReadUnlabelled(string folder)
    {
        ImageDataset data = FolderTree
            .Read(folder, linkedLevels: 0)
            .Unlabelled("Give a folder of images or an image file.");
        return (data.Items, data.Rejected);
    }
}
