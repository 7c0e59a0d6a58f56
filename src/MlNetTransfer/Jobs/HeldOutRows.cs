using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Decides which rows a training run learns from and which it is judged on: by the data set's own split, else by a draw
/// that keeps groups together.
/// </summary>
internal static class HeldOutRows
{
    public static TrainTestRows Of(
        ImageDataset data,
        ImageRows rows,
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
    public static int[] Folds(ImageDataset data, ImageRows rows, FeatureTable table, TrainOptions options, int folds)
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
    public static void RequireNoOtherSplit(ImageDataset data, TrainOptions options)
    {
        if (data.Splits is null || (options.Folds == 0 && options.TestFraction is null))
            return;
        (string cannot, string option) =
            options.Folds > 0
                ? ("be divided into folds", "--folds")
                : ("have another part held out", "--test-fraction");
        throw new TransferException(
            $"'{data.Source}' has a split of its own, so it cannot {cannot}. "
                + $"Leave {option} out, or give the images without the split."
        );
    }

    /// <summary>How the rows are judged.</summary>
    public static EvaluationProtocol Protocol(
        ImageDataset data,
        ImageRows rows,
        FeatureTable table,
        TrainOptions options
    )
    {
        int[] perClass = TrainingSet.CountPerClass(table, Enumerable.Range(0, table.Rows)),
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
    public static int[]? GroupsOf(ImageDataset data, ImageRows rows, TrainOptions options) =>
        Groups.Linking(rows.Accepted.Select(i => data.Items[i].Group), options.DuplicatesTogether ? rows.Digests : []);

    /// <summary>The data set without the images that its own split leaves out; they go to the ledger.</summary>
    public static ImageDataset WithoutUnassigned(ImageDataset data)
    {
        if (data.Splits is not { } splits || !splits.Contains(SplitPart.None))
            return data;
        int[] kept = [.. Enumerable.Range(0, splits.Count).Where(i => splits[i] != SplitPart.None)];
        IEnumerable<RejectedImage> left = Enumerable
            .Range(0, splits.Count)
            .Where(i => splits[i] == SplitPart.None)
            .Select(i => new RejectedImage(
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
    public static IEnumerable<string> Notes(ImageDataset data)
    {
        if (data.UnusedColumns.Count > 0)
            yield return $"Columns of the list that mean nothing here were passed over: "
                + $"{string.Join(", ", data.UnusedColumns)}. Those with a meaning are path, label, group and split.";
        if (data.Splits is null)
            yield break;
        bool test = PremadeSplit.HeldOut(data.Splits) == SplitPart.Test;
        string trained =
            test && data.Splits.Contains(SplitPart.Validation) ? "train and validation parts" : "train part";
        yield return $"The split is the data set's own: trained on its {trained}, judged on its "
            + $"{(test ? "test" : "validation")} part.";
    }

    private static TrainTestRows Premade(ImageDataset data, ImageRows rows, FeatureTable table)
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
