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
    /// <exception cref="TransferException"> The folder is missing or cannot be read, has too few classes, has a class
    /// without a file, or has two classes whose names differ in case only (one class on Windows and macOS, two on
    /// Linux).
    /// </exception>
    public static Dataset ReadClasses(string folder, int minimumClasses = 2) =>
        ClassFolders.Of(
            FolderTree.Read(folder, linkedLevels: 1),
            new DatasetOptions { MinimumClasses = minimumClasses }
        );

    /// <summary>Reads every image below a folder, without labels.</summary>
    /// <exception cref="TransferException">The folder is missing, cannot be read or holds no file.</exception>
    public static (IReadOnlyList<DataItem> Items, IReadOnlyList<RejectedItem> Rejected) ReadUnlabelled(string folder)
    {
        Dataset data = FolderTree.Read(folder, linkedLevels: 0).Unlabelled("Give a folder of images or an image file.");
        return (data.Items, data.Rejected);
    }
}

/// <summary>Makes a data set of a tree whose folders are classes.</summary>
internal static class ClassFolders
{
    /// <param name="tree">The tree.</param>
    /// <param name="options">How many classes there must be, and whether some may be empty.</param>
    /// <param name="under">The folder whose folders are classes: "" for the source itself, else a path that ends with
    /// '/'.</param>
    public static Dataset Of(FileTree tree, DatasetOptions options, string under = "")
    {
        if (tree.Rejected.FirstOrDefault(r => IsUnreadable(r.File)) is { } lost)
            throw new TransferException(
                $"'{tree.Source}' has a folder whose name is not UTF-8 ('{Path.GetDirectoryName(lost.File)}'); as a "
                    + "class it would be lost with all its images. Make the archive again with a tool that writes "
                    + "UTF-8 names."
            );
        string folder = under.Length == 0 ? tree.Source : Path.Combine(tree.Source, under.TrimEnd('/'));
        HashSet<string> filled =
        [
            .. tree
                .Files.Where(f => f.Name.StartsWith(under, StringComparison.Ordinal))
                .Select(f => (f.Name, End: f.Name.IndexOf('/', under.Length)))
                .Where(f => f.End >= 0)
                .Select(f => f.Name[under.Length..f.End]),
        ];
        string[] every = tree.FoldersIn(under),
            empty = [.. every.Where(f => !filled.Contains(f))],
            folders = options.AllowEmptyClasses ? [.. every.Except(empty)] : every,
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
        if (classes.Length < options.MinimumClasses)
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

        var items = new List<DataItem>();
        var rejected = new List<RejectedItem>();
        foreach (DataItem file in tree.Files.Where(f => f.Name.StartsWith(under, StringComparison.Ordinal)))
        {
            int slash = file.Name.IndexOf('/', under.Length);
            if (slash < 0)
                rejected.Add(
                    new RejectedItem(file.Name, "lies beside the class folders, not in one, so its class is not known")
                );
            else
                items.Add(file with { Label = labels[file.Name[under.Length..slash]] });
        }

        HashSet<int> used = [.. items.Select(i => i.Label)];
        if (Array.Find(folders, f => !used.Contains(labels[f])) is { } without)
            throw new TransferException(
                $"Class folder '{Path.Combine(folder, without)}' holds no files{tree.Lost()}. Add images of "
                    + $"'{without}', remove the folder, or leave such classes out (--allow-empty-classes)."
            );
        items.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        rejected.AddRange(
            tree.Rejected.Where(r => under.Length == 0 || r.File.StartsWith(under, StringComparison.Ordinal))
        );
        return new Dataset(tree.Source, classes, items, rejected)
        {
            EmptyClasses = options.AllowEmptyClasses
                ? [.. empty.Select(ClassList.Trimmed).Except(classes).Order(StringComparer.Ordinal)]
                : [],
        };
    }

    /// <summary>Whether the folder of a path in an archive has characters that could not be decoded.</summary>
    private static bool IsUnreadable(string file) =>
        file.LastIndexOf('\uFFFD') is >= 0 and var at && file.IndexOf('/', at) > 0;

    private static string Because(FileTree tree) => tree.Rejected.Count == 0 ? "" : $" (no file{tree.Lost()})";
}

/// <summary>Walks a folder.</summary>
internal static class FolderTree
{
    /// <param name="folder">The folder.</param>
    /// <param name="linkedLevels">How many levels down a link to a folder counts as that folder; further down it stands
    /// in the ledger, since links can be endless.</param>
    public static FileTree Read(string folder, int linkedLevels)
    {
        var files = new List<DataItem>();
        var folders = new HashSet<string>(StringComparer.Ordinal);
        var rejected = new List<RejectedItem>();
        Walk(folder, "", linkedLevels);
        return new FileTree(folder, files, folders, rejected);

        void Walk(string path, string under, int linked)
        {
            foreach (FileSystemInfo entry in List(path))
            {
                string name = under + entry.Name;
                if (entry is FileInfo)
                    files.Add(new DataItem(Path.Combine(path, entry.Name), name));
                else if (linked <= 0 && entry.LinkTarget is not null)
                    rejected.Add(
                        new RejectedItem(name, "is a link to a folder; links below a class folder are not followed")
                    );
                else
                {
                    folders.Add(name);
                    Walk(Path.Combine(path, entry.Name), name + "/", linked - 1);
                }
            }
        }
    }

    /// <summary>Names of the folders directly in a folder.</summary>
    public static IEnumerable<string> FoldersIn(string folder) =>
        List(folder).OfType<DirectoryInfo>().Select(d => d.Name);

    private static List<FileSystemInfo> List(string folder)
    {
        try
        {
            return
            [
                .. new DirectoryInfo(folder)
                    .EnumerateFileSystemInfos(
                        "*",
                        new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false }
                    )
                    .Where(e => !Leftovers.Is(e.Name)),
            ];
        }
        catch (DirectoryNotFoundException e)
        {
            throw new TransferException(
                File.Exists(folder)
                    ? $"'{folder}' is a file; a folder was expected."
                    : $"Folder '{folder}' does not exist. Check the path.",
                e
            );
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new TransferException(
                $"Folder '{folder}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.",
                e
            );
        }
    }
}

/// <summary>What a folder or an archive holds, before anyone asks which folders are classes.</summary>
/// <param name="Source">The folder or archive; named in errors.</param>
/// <param name="Files">The files, unlabelled; each name is its path in the source, with '/'.</param>
/// <param name="Folders">Paths of the folders in the source, empty ones included, with '/'.</param>
/// <param name="Rejected">What was found and is not a file that could be an image.</param>
internal sealed record FileTree(
    string Source,
    IReadOnlyList<DataItem> Files,
    IReadOnlySet<string> Folders,
    IReadOnlyList<RejectedItem> Rejected
)
{
    /// <summary>Names of the folders directly in a folder, in ordinal order.</summary>
    /// <param name="under">"" for the source itself, else a path that ends with '/'.</param>
    public string[] FoldersIn(string under) =>
        [
            .. Folders
                .Where(f => f.StartsWith(under, StringComparison.Ordinal))
                .Select(f => f[under.Length..])
                .Where(f => !f.Contains('/'))
                .Order(StringComparer.Ordinal),
        ];

    public bool HasFileIn(string under) => FilesIn(under) > 0;

    /// <summary>How many files lie directly in a folder.</summary>
    public int FilesIn(string under) =>
        Files.Count(f => f.Name.StartsWith(under, StringComparison.Ordinal) && f.Name.IndexOf('/', under.Length) < 0);

    /// <summary>The unlabelled images, ordered by name.</summary>
    public Dataset Unlabelled(string whatToGive)
    {
        if (Files.Count == 0)
            throw new TransferException($"'{Source}' holds no files{Lost()}. {whatToGive}");
        return new Dataset(Source, [], [.. Files.OrderBy(f => f.Name, StringComparer.Ordinal)], Rejected);
    }

    public string Lost() =>
        Rejected.Count == 0
            ? ""
            : $" that can be used; the first of {Rejected.Count} rejected: {Rejected[0].File}: {Rejected[0].Reason}";
}
