using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>The images of a run that can be used, and their features.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Rows">What the frozen backbone gave for its images.</param>
/// <param name="Table">The same with labels: features at all taps side by side.</param>
/// <param name="Extractor">What computed them; belongs to the run.</param>
/// <param name="Protocol">How training on them is judged.</param>
internal sealed record TrainingSet(
    Dataset Data,
    ItemRows Rows,
    FeatureTable Table,
    FeatureExtractor Extractor,
    EvaluationProtocol Protocol
)
{
    /// <summary>Images without labels that are trained on too; null where there are none.</summary>
    public UnlabelledImages? Unlabelled { get; init; }

    /// <summary>All that could not be used.</summary>
    public IReadOnlyList<RejectedItem> Rejected => [.. Data.Rejected, .. Rows.Rejected, .. Unlabelled?.Rejected ?? []];

    /// <summary>
    /// Sorts the rows by their images' content, so that nothing that is drawn or summed further on depends on the order
    /// in which the images are listed.
    /// </summary>
    /// <exception cref="TransferException">A class has fewer than two usable images.</exception>
    public static TrainingSet Of(Dataset data, ItemRows rows, FeatureExtractor extractor, TrainOptions options)
    {
        rows.Sort(
            new DrawOrder([.. rows.Accepted.Select(i => data.Items[i].Label)], data.ClassNames, rows.Digests).Rows
        );
        var table = new FeatureTable(
            data.ClassNames,
            [.. rows.Accepted.Select(i => data.Items[i].Label)],
            rows.Values,
            rows.Width
        );
        RejectedItem[] rejected = [.. data.Rejected, .. rows.Rejected];
        RequireTwoPerClass(data, table.RowsPerClass(), rejected);
        return new TrainingSet(data, rows, table, extractor, HeldOutRows.Protocol(data, rows, table, options));
    }

    /// <summary>How many of the rows each class has [classes].</summary>
    public static int[] CountPerClass(FeatureTable table, IEnumerable<int> rows)
    {
        var counts = new int[table.Classes];
        foreach (int row in rows)
            counts[table.Labels[row]]++;
        return counts;
    }

    /// <summary>The image of a row.</summary>
    public DataItem Item(int row) => Data.Items[Rows.Accepted[row]];

    /// <summary>The images as recipes see them.</summary>
    public RecipeRows Recipe(TrainOptions options) =>
        new(
            new TrainingImages(
                [.. Enumerable.Range(0, Table.Rows).Select(Item)],
                Table.Labels,
                Rows.Digests,
                Data.ClassNames,
                HeldOutRows.GroupsOf(Data, Rows, options)
            ),
            Table,
            Extractor.Taps,
            Extractor.Space
        )
        {
            Unlabelled = Unlabelled?.Table,
        };

    /// <exception cref="TransferException">A class has fewer than two images; the message names it and those of its
    /// images that were rejected.</exception>
    public static void RequireTwoPerClass(Dataset data, int[] counts, IReadOnlyList<RejectedItem> rejected)
    {
        int poor = Array.FindIndex(counts, c => c < 2);
        if (poor < 0)
            return;
        string name = data.ClassNames[poor];
        RejectedItem[] lost = [.. rejected.Where(r => r.File.StartsWith(name + "/", StringComparison.Ordinal))];
        string because =
            lost.Length == 0
                ? ""
                : $" {lost.Length} of its files {(lost.Length == 1 ? "was" : "were")} rejected, e.g. "
                    + $"{lost[0].File}: {lost[0].Reason}.";
        throw new TransferException(
            $"Class '{name}' in '{data.Source}' has {counts[poor]} usable image{(counts[poor] == 1 ? "" : "s")}; at "
                + $"least 2 are needed, one to train and one to test.{because} Add images of '{name}' or remove the "
                + $"class."
        );
    }
}

/// <summary>
/// Decides which rows a training run learns from and which it is judged on: by the data set's own split, else by a draw
/// that keeps groups together.
/// </summary>
internal static class HeldOutRows
{
    public static TrainTestRows Of(
        Dataset data,
        ItemRows rows,
        FeatureTable table,
        TrainOptions options,
        double testFraction
    )
    {
        if (data.Splits is not null)
            return Premade(data, rows, table);
        return GroupsOf(data, rows, options) is { } groups
            ? StratifiedSplit.TrainTest(
                table.Labels,
                groups,
                testFraction,
                options.Seed,
                table.ClassNames,
                rows.Digests
            )
            : StratifiedSplit.TrainTest(table.Labels, testFraction, options.Seed, table.ClassNames, rows.Digests);
    }

    /// <summary>The fold of every row.</summary>
    public static int[] Folds(Dataset data, ItemRows rows, FeatureTable table, TrainOptions options, int folds)
    {
        int[] fold = GroupsOf(data, rows, options) is { } groups
            ? StratifiedFolds.Assign(table.Labels, groups, folds, options.Seed, table.ClassNames, rows.Digests)
            : StratifiedFolds.Assign(table.Labels, folds, options.Seed, table.ClassNames, rows.Digests);
        if (fold.Distinct().Count() < folds)
            throw new TransferException(
                $"'{data.Source}' has {table.Rows} usable images, too few for {folds} folds. Ask for fewer folds."
            );
        return fold;
    }

    /// <summary>Finds what contradicts a split that the images come with, before an image is read.</summary>
    /// <exception cref="TransferException">Folds or a test fraction are asked for.</exception>
    public static void RequireNoOtherSplit(Dataset data, TrainOptions options)
    {
        if (data.Splits is null || (options.Folds is null && options.TestFraction is null))
            return;
        (string cannot, string option) = options.Folds is not null
            ? ("be divided into folds", "--folds")
            : ("have another part held out", "--test-fraction");
        throw new TransferException(
            $"'{data.Source}' has a split of its own, so it cannot {cannot}. "
                + $"Leave {option} out, or give the images without the split."
        );
    }

    /// <summary>How the rows are judged.</summary>
    public static EvaluationProtocol Protocol(Dataset data, ItemRows rows, FeatureTable table, TrainOptions options)
    {
        int[] perClass = table.RowsPerClass(),
            units = perClass;
        if (GroupsOf(data, rows, options) is { } groups)
        {
            ILookup<int, int> groupsOf = Enumerable
                .Range(0, table.Rows)
                .ToLookup(row => table.Labels[row], row => groups[row]);
            units = [.. Enumerable.Range(0, table.Classes).Select(label => groupsOf[label].Distinct().Count())];
        }

        return EvaluationProtocol.Of(options, table.ClassNames, perClass, units, data.Splits is not null);
    }

    /// <summary>The group of every row; null where each row is a group of its own.</summary>
    public static int[]? GroupsOf(Dataset data, ItemRows rows, TrainOptions options) =>
        Groups.Linking(rows.Accepted.Select(i => data.Items[i].Group), options.DuplicatesTogether ? rows.Digests : []);

    /// <summary>The data set without the images that its own split leaves out; they go to the ledger.</summary>
    public static Dataset WithoutUnassigned(Dataset data)
    {
        if (data.Splits is not { } splits || !splits.Contains(SplitPart.None))
            return data;
        int[] kept = [.. Enumerable.Range(0, splits.Count).Where(i => splits[i] != SplitPart.None)];
        IEnumerable<RejectedItem> left = Enumerable
            .Range(0, splits.Count)
            .Where(i => splits[i] == SplitPart.None)
            .Select(i => new RejectedItem(
                data.Items[i].Name,
                "has no part in a data set with a split of its own; give it one (train, val or test)"
            ));
        return data with
        {
            Items = [.. kept.Select(i => data.Items[i])],
            Rejected = [.. data.Rejected, .. left],
            Splits = [.. kept.Select(i => splits[i])],
        };
    }

    /// <summary>What a reader of the figures should know about the split.</summary>
    public static IEnumerable<string> Notes(Dataset data)
    {
        if (data.UnusedColumns.Count > 0)
            yield return $"Columns of the list that mean nothing here were passed over: "
                + $"{string.Join(", ", data.UnusedColumns)}. Those with a meaning are path, label, group and split.";
        if (data.EmptyClasses.Count > 0)
            yield return "Classes whose folders are empty were left out: "
                + $"{string.Join(", ", data.EmptyClasses.Select(name => $"'{name}'"))}.";
        if (data.Splits is null)
            yield break;
        bool test = PremadeSplit.HeldOut(data.Splits) == SplitPart.Test;
        string trained =
            test && data.Splits.Contains(SplitPart.Validation) ? "train and validation parts" : "train part";
        yield return $"The split is the data set's own: trained on its {trained}, judged on its "
            + $"{(test ? "test" : "validation")} part.";
    }

    private static TrainTestRows Premade(Dataset data, ItemRows rows, FeatureTable table)
    {
        TrainTestRows split = PremadeSplit.TrainTest(
            [.. rows.Accepted.Select(i => data.Splits![i])],
            PremadeSplit.HeldOut(data.Splits!),
            data.Source
        );
        HashSet<int> trained = [.. split.Train.Select(row => table.Labels[row])];
        int missing = Enumerable.Range(0, table.Classes).FirstOrDefault(label => !trained.Contains(label), -1);
        return missing < 0
            ? split
            : throw new TransferException(
                $"Class '{table.ClassNames[missing]}' in '{data.Source}' has no usable image in the training part "
                    + $"of the split. Move some of its images there."
            );
    }
}

/// <summary>
/// Finds images that make a held-out evaluation look better or worse than it is: the same bytes on both sides, or under
/// two labels.
/// </summary>
internal static class DuplicateNotes
{
    private const int Named = 3;

    public static IEnumerable<string> Of(TrainingSet set, Trial trial)
    {
        // By name, since the rows stand in the order of their contents.
        string[] keys = set.Rows.ContentKeys();
        ILookup<string, int> byContent = Enumerable
            .Range(0, set.Table.Rows)
            .OrderBy(Name, StringComparer.Ordinal)
            .ToLookup(row => keys[row]);
        HashSet<int> test = trial.FoldAccuracies.Count > 0 ? [] : [.. trial.TestRows];
        int[] leaked =
        [
            .. byContent
                .Where(same => same.Any(row => !test.Contains(row)))
                .SelectMany(same => same.Where(test.Contains)),
        ];
        IGrouping<string, int>[] disputed =
        [
            .. byContent.Where(same => same.Select(row => set.Table.Labels[row]).Distinct().Count() > 1),
        ];
        if (leaked.Length > 0)
        {
            yield return $"{leaked.Length} of {trial.TestRows.Count} test images are byte for byte in the training "
                + $"part too, so the accuracy is too high: "
                + $"remove the duplicates ({Some(leaked.Select(Name))}).";
        }

        if (disputed.Length > 0)
        {
            yield return $"{disputed.Length} image{(disputed.Length == 1 ? " stands" : "s stand")} in more than one "
                + $"class, byte for byte: decide which class is right "
                + $"({Some(disputed.Select(same => string.Join(" = ", same.Select(Name))))}).";
        }

        string Name(int row) => set.Item(row).Name;
    }

    /// <summary>The first few, and how many more there are.</summary>
    internal static string Some(IEnumerable<string> names)
    {
        string[] all = [.. names];
        return all.Length <= Named
            ? string.Join(", ", all)
            : $"{string.Join(", ", all.Take(Named))} and {all.Length - Named} more";
    }
}

/// <summary>
/// The images that a command line names: files, all files below folders and in zip archives, and the images that lists
/// name.
/// </summary>
internal static class ImageInputs
{
    /// <param name="inputs">Image files and sources, see <see cref="DatasetReader"/>.</param>
    /// <param name="textColumn">The column of the lists that has texts; null where they name files.</param>
    /// <returns>The images in the order given, those of a source in its order; and what was passed over in the
    /// sources.</returns>
    public static (IReadOnlyList<DataItem> Items, IReadOnlyList<RejectedItem> Rejected) Of(
        IEnumerable<string> inputs,
        string? textColumn = null
    )
    {
        var reading = new DatasetOptions { TextColumn = textColumn };
        List<DataItem> items = [];
        List<RejectedItem> rejected = [];
        foreach (string input in inputs)
        {
            if (!DatasetReader.IsSource(input) && textColumn is null)
            {
                items.Add(new DataItem(input, input));
                continue;
            }

            Dataset data = DatasetReader.ReadUnlabelled(input, reading);
            // A list's images are called what the list calls them, so that predictions can be joined to it.
            bool named = Directory.Exists(input) || data.Items.Any(item => item.Location is ZipEntryLocation);
            string prefix = named ? input.Replace('\\', '/').TrimEnd('/') + "/" : "";
            items.AddRange(data.Items.Select(item => item with { Name = prefix + item.Name }));
            rejected.AddRange(data.Rejected.Select(r => r with { File = prefix + r.File }));
        }

        return (items, rejected);
    }
}
