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
        ClassFolders.Of(FolderTree.Read(folder, linkedLevels: 1), minimumClasses);

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
    /// <param name="minimumClasses">Fewest classes accepted.</param>
    /// <param name="under">The folder whose folders are classes: "" for the source itself, else a path that ends with
    /// '/'.</param>
    public static Dataset Of(FileTree tree, int minimumClasses, string under = "")
    {
        if (tree.Rejected.FirstOrDefault(r => IsUnreadable(r.File)) is { } lost)
            throw new TransferException(
                $"'{tree.Source}' has a folder whose name is not UTF-8 ('{Path.GetDirectoryName(lost.File)}'); as a "
                    + "class it would be lost with all its images. Make the archive again with a tool that writes "
                    + "UTF-8 names."
            );
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
        if (Array.Find(folders, f => !used.Contains(labels[f])) is { } empty)
            throw new TransferException(
                $"Class folder '{Path.Combine(folder, empty)}' holds no files{tree.Lost()}. Add images of '{empty}' "
                    + $"or remove the folder."
            );
        items.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        rejected.AddRange(
            tree.Rejected.Where(r => under.Length == 0 || r.File.StartsWith(under, StringComparison.Ordinal))
        );
        return new Dataset(tree.Source, classes, items, rejected);
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

/// <summary>
/// Recognises a split that was made beforehand: train, val and test folders that each hold the class folders.
/// </summary>
internal static class SplitFolders
{
    /// <summary>
    /// The data set with its split; null where the folders are not split folders, so that they are classes.
    /// </summary>
    /// <remarks>
    /// Folders look like a split where one of them has the name of a part and holds two folders at least, and more
    /// folders than files. A class named "train" whose images lie in it directly is a class. What looks like a split
    /// must be one: train, with val or test beside it, each of them with folders of classes, and nothing else. Anything
    /// less is an error with the way out, since read as classes it would silently train on "train" as a class.
    /// </remarks>
    /// <exception cref="TransferException">The folders look like a split and are none, or their classes
    /// differ.</exception>
    public static Dataset? TryRead(FileTree tree, int minimumClasses)
    {
        (string Name, SplitPart Part)[] parts =
        [
            .. tree.FoldersIn("").Select(name => (name, SplitNames.Parse(name) ?? SplitPart.None)),
        ];
        (string Name, SplitPart Part)[] splits = [.. parts.Where(p => p.Part != SplitPart.None)];
        bool whole =
            splits.Length == parts.Length
            && splits.Any(p => p.Part == SplitPart.Train)
            && splits.Any(p => p.Part != SplitPart.Train);
        if (whole && Array.TrueForAll(splits, p => Folders(p.Name) > 0))
        {
            if (splits.GroupBy(p => p.Part).FirstOrDefault(g => g.Count() > 1) is { } twins)
                throw new TransferException(
                    $"'{tree.Source}' has two folders for one part of the split: {Names(twins)}. Merge them."
                );
            return Merge(tree, splits, minimumClasses);
        }

        if (Array.Find(splits, p => Folders(p.Name) > Math.Max(1, Files(p.Name))).Name is { } suspect)
            throw new TransferException(
                $"'{tree.Source}' looks like a split ('{suspect}' holds {Folders(suspect)} folders), but {Fault()} "
                    + $"If '{suspect}' is a class, rename it."
            );
        if (whole)
            throw new TransferException(
                $"'{tree.Source}' looks like a split ({Names(splits)}), but its images lie in no class folders. Sort "
                    + $"them into the same class folders in each, or, if these are classes, rename them."
            );
        RequireNoParts(tree);
        return null;

        int Folders(string name) => tree.FoldersIn(name + "/").Length;

        int Files(string name) => tree.FilesIn(name + "/");

        string Fault()
        {
            if (Array.Find(parts, p => p.Part == SplitPart.None).Name is { } other)
                return $"'{other}' is no known part of one. Known parts: {SplitNames.Expected}. Rename '{other}' to "
                    + $"one of these, or move it elsewhere.";
            if (Array.Find(splits, p => Folders(p.Name) == 0).Name is { } flat)
                return $"'{flat}' holds files that lie in no class folder. Sort them into the same class folders as "
                    + $"in '{suspect}', or move '{flat}' elsewhere.";
            string missing = splits[0].Part == SplitPart.Train ? "val or test" : "train";
            return $"there is no {missing} folder beside it. Add it, or give '{Path.Combine(tree.Source, suspect)}' "
                + $"itself.";
        }
    }

    /// <summary>
    /// Folders that are called like parts of a split and hold nothing but the same folders are parts of one: as classes
    /// they would teach to tell copies of one thing apart.
    /// </summary>
    private static void RequireNoParts(FileTree tree)
    {
        string[] tops = tree.FoldersIn("");
        if (tops.Length < 2 || !tops.All(SplitNames.IsLikePart) || tops.Any(top => tree.FilesIn(top + "/") > 0))
            return;
        string[] inside = tree.FoldersIn(tops[0] + "/");
        if (inside.Length < 2 || tops.Any(top => !tree.FoldersIn(top + "/").SequenceEqual(inside)))
            return;
        throw new TransferException(
            $"The folders of '{tree.Source}' ({string.Join(", ", tops.Take(5))}) are called like parts of a split and "
                + $"all hold the same folders ({string.Join(", ", inside.Take(5))}), so they are not taken for "
                + $"classes. Call them {SplitNames.Expected}; or give one of them; or, if they are classes, rename "
                + "them."
        );
    }

    private static Dataset Merge(FileTree tree, (string Name, SplitPart Part)[] splits, int minimumClasses)
    {
        (string Name, SplitPart Part, Dataset Data)[] parts =
        [
            .. splits.Select(s =>
                (s.Name, s.Part, ClassFolders.Of(tree, s.Part == SplitPart.Train ? minimumClasses : 1, s.Name + "/"))
            ),
        ];
        ClassList.RefuseTwins(tree.Source, [.. parts.SelectMany(p => p.Data.ClassNames).Distinct()]);
        (string trainName, _, Dataset train) = Array.Find(parts, p => p.Part == SplitPart.Train);
        foreach ((string name, _, Dataset data) in parts)
        {
            if (data.ClassNames.Except(train.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } extra)
                throw Disagree(extra, name, trainName);
            if (train.ClassNames.Except(data.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } missing)
                throw Disagree(missing, trainName, name);
        }

        (DataItem Item, SplitPart Part)[] all =
        [
            .. parts
                .SelectMany(p => p.Data.Items.Select(item => (item, p.Part)))
                .OrderBy(p => p.item.Name, StringComparer.Ordinal),
        ];
        IEnumerable<RejectedItem> rejected = tree
            .Files.Where(f => !f.Name.Contains('/'))
            .Select(f => new RejectedItem(f.Name, "lies beside the split folders, so its class is not known"))
            .Concat(parts.SelectMany(p => p.Data.Rejected))
            .Concat(
                tree.Rejected.Where(r =>
                    !Array.Exists(splits, s => r.File.StartsWith(s.Name + "/", StringComparison.Ordinal))
                )
            );
        return new Dataset(tree.Source, train.ClassNames, [.. all.Select(a => a.Item)], [.. rejected])
        {
            Splits = [.. all.Select(a => a.Part)],
        };

        TransferException Disagree(string name, string has, string lacks) =>
            new(
                $"Class '{name}' is in '{Path.Combine(tree.Source, has)}' but not in "
                    + $"'{Path.Combine(tree.Source, lacks)}'. Every part of a split needs the same class folders: "
                    + $"add '{Path.Combine(tree.Source, lacks, name)}' or remove the other."
            );
    }

    private static string Names(IEnumerable<(string Name, SplitPart Part)> parts) =>
        string.Join(", ", parts.Select(p => $"'{p.Name}'"));
}

/// <summary>
/// The words for the parts of a split, in folders' names and in lists; case, '-', '_' and blanks do not matter.
/// </summary>
internal static class SplitNames
{
    public const string Expected =
        "train, val or test (also training, seg_train, training_set; valid, validation, dev, eval; testing, "
        + "seg_test, test_set, holdout)";

    /// <summary>
    /// Whether a word of a folder's name is one that parts of splits have: "train_images", "val2017".
    /// </summary>
    public static bool IsLikePart(string name) =>
        name.Split([.. name.Where(c => !char.IsAsciiLetter(c)).Distinct()], StringSplitOptions.RemoveEmptyEntries)
            .Any(word => Parse(word) is not null || word.ToUpperInvariant() is "FOLD" or "SPLIT" or "PART");

    public static SplitPart? Parse(string word) =>
        string.Concat(word.Where(c => c is not ('-' or '_' or ' '))).ToUpperInvariant() switch
        {
            "TRAIN" or "TRAINING" or "SEGTRAIN" or "TRAINSET" or "TRAININGSET" => SplitPart.Train,
            "VAL"
            or "VALID"
            or "VALIDATION"
            or "DEV"
            or "EVAL"
            or "SEGVAL"
            or "VALSET"
            or "VALIDATIONSET"
            or "DEVSET" => SplitPart.Validation,
            "TEST" or "TESTING" or "SEGTEST" or "TESTSET" or "TESTINGSET" or "HOLDOUT" => SplitPart.Test,
            _ => null,
        };
}
