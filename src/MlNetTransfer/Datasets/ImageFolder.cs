using System.IO.Enumeration;

namespace MlNetTransfer.Datasets;

/// <summary>Reads image folders: one folder per class for training and evaluation, any tree of images for prediction.</summary>
/// <remarks>
/// Every file below a class folder counts as an image, whatever its extension: what is not one is rejected later, by name. Only what operating
/// systems leave behind is passed over: names that start with a dot, Thumbs.db and desktop.ini. Below the first level, links to folders are not
/// followed (they can be endless) and stand in the ledger.
/// </remarks>
public static class ImageFolder
{
    /// <summary>Reads a folder that holds one folder of images per class.</summary>
    /// <param name="folder">The folder; each of its folders is a class and gives the class its name.</param>
    /// <param name="minimumClasses">Fewest classes accepted: 2 to train a classifier, 1 to evaluate one.</param>
    /// <exception cref="TransferException">
    /// The folder is missing or cannot be read, has too few classes, has a class without a file, or has two classes whose names differ in
    /// case only (one class on Windows and macOS, two on Linux).
    /// </exception>
    public static ImageDataset ReadClasses(string folder, int minimumClasses = 2)
    {
        List<FileSystemInfo> top = List(folder);
        string[] classes = [.. top.OfType<DirectoryInfo>().Select(d => d.Name).Order(StringComparer.Ordinal)];
        if (classes.Length == 0) throw new TransferException($"'{folder}' has no class folders. Expected one folder per class with that class's images in it, e.g. '{Path.Combine(folder, "cat")}' and '{Path.Combine(folder, "dog")}'.");
        if (classes.Length < minimumClasses) throw new TransferException($"'{folder}' has one class only ('{classes[0]}'). A classifier needs at least two class folders; is '{folder}' perhaps a class folder itself?");
        if (classes.GroupBy(c => c, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is { } same)
            throw new TransferException($"'{folder}' has classes that differ in case only: {string.Join(", ", same.Select(c => $"'{c}'"))}. They are one folder on Windows and macOS: merge them or rename one.");

        var items = new List<ImageItem>();
        var rejected = new List<RejectedImage>();
        foreach (FileInfo loose in top.OfType<FileInfo>()) rejected.Add(new RejectedImage(loose.Name, "lies beside the class folders, not in one, so its class is not known"));
        for (int label = 0; label < classes.Length; label++)
        {
            int before = items.Count;
            Walk(Path.Combine(folder, classes[label]), classes[label], label, items, rejected);
            if (items.Count == before) throw new TransferException($"Class folder '{Path.Combine(folder, classes[label])}' holds no files. Add images of '{classes[label]}' or remove the folder.");
        }

        items.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return new ImageDataset(folder, classes, items, rejected);
    }

    /// <summary>Reads every image below a folder, without labels.</summary>
    /// <exception cref="TransferException">The folder is missing, cannot be read or holds no file.</exception>
    public static (IReadOnlyList<ImageItem> Items, IReadOnlyList<RejectedImage> Rejected) ReadUnlabelled(string folder)
    {
        var items = new List<ImageItem>();
        var rejected = new List<RejectedImage>();
        Walk(folder, "", ImageItem.NoLabel, items, rejected);
        if (items.Count == 0) throw new TransferException($"'{folder}' holds no files. Give a folder of images or an image file.");
        items.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return (items, rejected);
    }

    private static void Walk(string folder, string name, int label, List<ImageItem> items, List<RejectedImage> rejected)
    {
        foreach (FileSystemInfo entry in List(folder))
        {
            string entryName = name.Length == 0 ? entry.Name : $"{name}/{entry.Name}";
            if (entry is FileInfo) items.Add(new ImageItem(Path.Combine(folder, entry.Name), entryName, label));
            else if (entry.LinkTarget is not null) rejected.Add(new RejectedImage(entryName, "is a link to a folder; links below a class folder are not followed"));
            else Walk(Path.Combine(folder, entry.Name), entryName, label, items, rejected);
        }
    }

    private static List<FileSystemInfo> List(string folder)
    {
        try
        {
            return [.. new DirectoryInfo(folder).EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false }).Where(e => !IsLeftBehind(e.Name))];
        }
        catch (DirectoryNotFoundException e)
        {
            throw new TransferException(File.Exists(folder) ? $"'{folder}' is a file; a folder was expected." : $"Folder '{folder}' does not exist. Check the path.", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new TransferException($"Folder '{folder}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.", e);
        }
    }

    private static bool IsLeftBehind(string name) =>
        name[0] == '.' || FileSystemName.MatchesSimpleExpression("Thumbs.db", name) || FileSystemName.MatchesSimpleExpression("desktop.ini", name);
}
