namespace MlNetTransfer.Datasets;

/// <summary>Recognises a split that was made beforehand: train, val and test folders that each hold the class folders.</summary>
internal static class SplitFolders
{
    /// <summary>The data set with its split; null where the folders are not split folders, so that they are classes.</summary>
    /// <remarks>
    /// Folders are a split only when one is train, another is val or test, and each of them holds folders. A class named "train" whose images lie in
    /// it directly is a class. Where such split folders have another folder beside them, one reading would silently train on "train" as a class:
    /// that is an error.
    /// </remarks>
    public static ImageDataset? TryRead(ImageTree tree, int minimumClasses)
    {
        (string Name, SplitPart Part)[] parts = [.. tree.FoldersIn("").Select(name => (name, SplitNames.Parse(name) ?? SplitPart.None))];
        (string Name, SplitPart Part)[] splits = [.. parts.Where(p => p.Part != SplitPart.None)];
        if (!splits.Any(p => p.Part == SplitPart.Train) || splits.All(p => p.Part == SplitPart.Train)) return null;
        if (!Array.TrueForAll(splits, p => tree.FoldersIn(p.Name + "/").Length > 0)) return null;
        if (splits.Length < parts.Length)
        {
            string other = Array.Find(parts, p => p.Part == SplitPart.None).Name;
            return Array.Exists(splits, p => tree.HasFileIn(p.Name + "/"))
                ? null
                : throw new TransferException($"'{tree.Source}' has split folders ({Names(splits)}) and beside them '{other}', so it is not clear whether they are splits or classes. Move '{other}' elsewhere; or, if '{splits[0].Name}' is a class, rename it.");
        }

        if (splits.GroupBy(p => p.Part).FirstOrDefault(g => g.Count() > 1) is { } twins)
            throw new TransferException($"'{tree.Source}' has two folders for one part of the split: {Names(twins)}. Merge them.");
        return Merge(tree, splits, minimumClasses);
    }

    private static ImageDataset Merge(ImageTree tree, (string Name, SplitPart Part)[] splits, int minimumClasses)
    {
        (string Name, SplitPart Part, ImageDataset Data)[] parts = [.. splits.Select(s => (s.Name, s.Part, ClassFolders.Of(tree, s.Part == SplitPart.Train ? minimumClasses : 1, s.Name + "/")))];
        (string trainName, _, ImageDataset train) = Array.Find(parts, p => p.Part == SplitPart.Train);
        foreach ((string name, _, ImageDataset data) in parts)
        {
            if (data.ClassNames.Except(train.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } extra) throw Disagree(extra, name, trainName);
            if (train.ClassNames.Except(data.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } missing) throw Disagree(missing, trainName, name);
        }

        (ImageItem Item, SplitPart Part)[] all = [.. parts.SelectMany(p => p.Data.Items.Select(item => (item, p.Part))).OrderBy(p => p.item.Name, StringComparer.Ordinal)];
        IEnumerable<RejectedImage> rejected = tree.Files.Where(f => !f.Name.Contains('/')).Select(f => new RejectedImage(f.Name, "lies beside the split folders, so its class is not known"))
            .Concat(parts.SelectMany(p => p.Data.Rejected))
            .Concat(tree.Rejected.Where(r => !Array.Exists(splits, s => r.File.StartsWith(s.Name + "/", StringComparison.Ordinal))));
        return new ImageDataset(tree.Source, train.ClassNames, [.. all.Select(a => a.Item)], [.. rejected]) { Splits = [.. all.Select(a => a.Part)] };

        TransferException Disagree(string name, string has, string lacks) =>
            new($"Class '{name}' is in '{Path.Combine(tree.Source, has)}' but not in '{Path.Combine(tree.Source, lacks)}'. Every part of a split needs the same class folders: add '{Path.Combine(tree.Source, lacks, name)}' or remove the other.");
    }

    private static string Names(IEnumerable<(string Name, SplitPart Part)> parts) => string.Join(", ", parts.Select(p => $"'{p.Name}'"));
}
