namespace MlNetTransfer.Datasets;

/// <summary>Makes a data set of a tree whose folders are classes.</summary>
internal static class ClassFolders
{
    /// <param name="tree">The tree.</param>
    /// <param name="minimumClasses">Fewest classes accepted.</param>
    /// <param name="under">The folder whose folders are classes: "" for the source itself, else a path that ends with
    /// '/'.</param>
    public static ImageDataset Of(ImageTree tree, int minimumClasses, string under = "")
    {
        string folder = under.Length == 0 ? tree.Source : Path.Combine(tree.Source, under.TrimEnd('/'));
        string[] folders = tree.FoldersIn(under),
            classes = [.. folders.Select(ClassList.Trimmed).Distinct().Order(StringComparer.Ordinal)];
        if (Array.IndexOf(classes, "") >= 0)
            throw new TransferException(
                $"'{folder}' has a folder whose name is blank; expected the name of a class. Rename it."
            );
        if (classes.Length == 0)
            throw new TransferException(
                $"'{folder}' has no class folders. Expected one folder per class with that class's images in it, "
                    + $"e.g. '{Path.Combine(folder, "cat")}' and '{Path.Combine(folder, "dog")}'{Because(tree)}."
            );
        if (classes.Length < minimumClasses)
            throw new TransferException(
                $"'{folder}' has one class only ('{classes[0]}'). A classifier needs at least two class folders; is "
                    + $"'{folder}' perhaps a class folder itself?"
            );
        ClassList.RefuseTwins(folder, classes);
        Dictionary<string, int> labels = folders.ToDictionary(
            f => f,
            f => Array.BinarySearch(classes, ClassList.Trimmed(f), StringComparer.Ordinal),
            StringComparer.Ordinal
        );

        var items = new List<ImageItem>();
        var rejected = new List<RejectedImage>();
        foreach (ImageItem file in tree.Files.Where(f => f.Name.StartsWith(under, StringComparison.Ordinal)))
        {
            int slash = file.Name.IndexOf('/', under.Length);
            if (slash < 0)
                rejected.Add(
                    new RejectedImage(file.Name, "lies beside the class folders, not in one, so its class is not known")
                );
            else
                items.Add(file with { Label = labels[file.Name[under.Length..slash]] });
        }

        HashSet<int> used = [.. items.Select(i => i.Label)];
        if (Array.Find(folders, f => !used.Contains(labels[f])) is { } empty)
            throw new TransferException(
                $"Class folder '{Path.Combine(folder, empty)}' holds no files{tree.Lost()}. Add images of '{empty}' "
                    + $"or remove the folder."
            );
        items.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        rejected.AddRange(
            tree.Rejected.Where(r => under.Length == 0 || r.File.StartsWith(under, StringComparison.Ordinal))
        );
        return new ImageDataset(tree.Source, classes, items, rejected);
    }

    private static string Because(ImageTree tree) => tree.Rejected.Count == 0 ? "" : $" (no file{tree.Lost()})";
}
