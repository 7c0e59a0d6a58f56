namespace MlNetTransfer.Datasets;

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
    public static ImageDataset? TryRead(ImageTree tree, int minimumClasses)
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

    private static ImageDataset Merge(ImageTree tree, (string Name, SplitPart Part)[] splits, int minimumClasses)
    {
        (string Name, SplitPart Part, ImageDataset Data)[] parts =
        [
            .. splits.Select(s =>
                (s.Name, s.Part, ClassFolders.Of(tree, s.Part == SplitPart.Train ? minimumClasses : 1, s.Name + "/"))
            ),
        ];
        ClassList.RefuseTwins(tree.Source, [.. parts.SelectMany(p => p.Data.ClassNames).Distinct()]);
        (string trainName, _, ImageDataset train) = Array.Find(parts, p => p.Part == SplitPart.Train);
        foreach ((string name, _, ImageDataset data) in parts)
        {
            if (data.ClassNames.Except(train.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } extra)
                throw Disagree(extra, name, trainName);
            if (train.ClassNames.Except(data.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } missing)
                throw Disagree(missing, trainName, name);
        }

        (ImageItem Item, SplitPart Part)[] all =
        [
            .. parts
                .SelectMany(p => p.Data.Items.Select(item => (item, p.Part)))
                .OrderBy(p => p.item.Name, StringComparer.Ordinal),
        ];
        IEnumerable<RejectedImage> rejected = tree
            .Files.Where(f => !f.Name.Contains('/'))
            .Select(f => new RejectedImage(f.Name, "lies beside the split folders, so its class is not known"))
            .Concat(parts.SelectMany(p => p.Data.Rejected))
            .Concat(
                tree.Rejected.Where(r =>
                    !Array.Exists(splits, s => r.File.StartsWith(s.Name + "/", StringComparison.Ordinal))
                )
            );
        return new ImageDataset(tree.Source, train.ClassNames, [.. all.Select(a => a.Item)], [.. rejected])
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
