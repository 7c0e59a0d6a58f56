using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>The images of a run that can be used, and their features.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Rows">What the frozen backbone gave for its images.</param>
/// <param name="Table">The same with labels: features at all taps side by side.</param>
/// <param name="Extractor">What computed them; belongs to the run.</param>
/// <param name="Protocol">How training on them is judged.</param>
internal sealed record TrainingSet(
    ImageDataset Data,
    ImageRows Rows,
    FeatureTable Table,
    FeatureExtractor Extractor,
    EvaluationProtocol Protocol
)
{
    /// <summary>All that could not be used.</summary>
    public IReadOnlyList<RejectedImage> Rejected => [.. Data.Rejected, .. Rows.Rejected];

    /// <summary>
    /// Sorts the rows by their images' content, so that nothing that is drawn or summed further on depends on the order
    /// in which the images are listed.
    /// </summary>
    /// <exception cref="TransferException">A class has fewer than two usable images.</exception>
    public static TrainingSet Of(ImageDataset data, ImageRows rows, FeatureExtractor extractor, TrainOptions options)
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
        RejectedImage[] rejected = [.. data.Rejected, .. rows.Rejected];
        RequireTwoPerClass(data, CountPerClass(table, Enumerable.Range(0, table.Rows)), rejected);
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
    public ImageItem Item(int row) => Data.Items[Rows.Accepted[row]];

    /// <summary>
    /// Runs trials as the protocol says: by the split, by folds, or on all images without any judgement.
    /// </summary>
    public Trial Judge(TrainOptions options, Func<TrainTestRows, Trial> split, Func<int[], Trial> crossValidate) =>
        options.FitsAll ? split(new TrainTestRows([.. Enumerable.Range(0, Table.Rows)], []))
        : Protocol.Kind == ProtocolKind.CrossValidation
            ? crossValidate(HeldOutRows.Folds(Data, Rows, Table, options, Protocol.Folds))
        : split(
            HeldOutRows.Of(Data, Rows, Table, options, Protocol.TestFraction ?? EvaluationProtocol.DefaultTestFraction)
        );

    /// <exception cref="TransferException">A class has fewer than two images; the message names it and those of its
    /// images that were rejected.</exception>
    public static void RequireTwoPerClass(ImageDataset data, int[] counts, IReadOnlyList<RejectedImage> rejected)
    {
        int poor = Array.FindIndex(counts, c => c < 2);
        if (poor < 0)
            return;
        string name = data.ClassNames[poor];
        RejectedImage[] lost = [.. rejected.Where(r => r.File.StartsWith(name + "/", StringComparison.Ordinal))];
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
