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
    public static Dataset? TryRead(FileTree tree, DatasetOptions options)
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
            return Merge(tree, splits, options);
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

    private static Dataset Merge(FileTree tree, (string Name, SplitPart Part)[] splits, DatasetOptions options)
    {
        (string Name, SplitPart Part, Dataset Data)[] parts =
        [
            .. splits.Select(s =>
                (
                    s.Name,
                    s.Part,
                    ClassFolders.Of(
                        tree,
                        s.Part == SplitPart.Train ? options : options with { MinimumClasses = 1 },
                        s.Name + "/"
                    )
                )
            ),
        ];
        ClassList.RefuseTwins(tree.Source, [.. parts.SelectMany(p => p.Data.ClassNames).Distinct()]);
        (string trainName, _, Dataset train) = Array.Find(parts, p => p.Part == SplitPart.Train);
        foreach ((string name, _, Dataset data) in parts)
        {
            if (data.ClassNames.Except(train.ClassNames, StringComparer.Ordinal).FirstOrDefault() is { } extra)
                throw Disagree(extra, name, trainName);
            if (
                train
                    .ClassNames.Except([.. data.ClassNames, .. data.EmptyClasses], StringComparer.Ordinal)
                    .FirstOrDefault() is
                { } missing
            )
                throw Disagree(missing, trainName, name);
        }

        // A part without images of a class has a list of its own.
        Dictionary<string, int> labels = train
            .ClassNames.Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);
        (DataItem Item, SplitPart Part)[] all =
        [
            .. parts
                .SelectMany(p =>
                    p.Data.Items.Select(item =>
                        (Item: item with { Label = labels[p.Data.ClassNames[item.Label]] }, p.Part)
                    )
                )
                .OrderBy(p => p.Item.Name, StringComparer.Ordinal),
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
            EmptyClasses = train.EmptyClasses,
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
