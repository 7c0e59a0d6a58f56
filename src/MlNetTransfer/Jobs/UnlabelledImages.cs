using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>Images without labels that a training takes too.</summary>
/// <param name="Table">Their features at all taps side by side; labels of 0, which nothing looks at.</param>
/// <param name="Digests">SHA-256 of each [rows × 32].</param>
/// <param name="Rejected">What could not be used.</param>
/// <param name="Notes">What a reader should know of them.</param>
internal sealed record UnlabelledImages(
    FeatureTable Table,
    byte[] Digests,
    IReadOnlyList<RejectedItem> Rejected,
    IReadOnlyList<string> Notes
)
{
    /// <summary>Images taken at most: the model keeps their features.</summary>
    internal const int Most = 2000;

    private const int Least = 10;

    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <returns>The images without labels, drawn where there are too many; null where none are given.</returns>
    /// <exception cref="TransferException">There are too few, or so many labelled ones that they would not
    /// help.</exception>
    public static Dataset? Read(TrainOptions options, Dataset labelled)
    {
        if (options.Unlabelled is not { } source)
            return null;
        int most = HeadKind.Kernel.Chosen!.Value.To,
            trained = labelled.Splits is { } splits
                ? splits.Count(part => part != PremadeSplit.HeldOut(splits))
                : labelled.Items.Count;
        if (trained > most)
            throw new TransferException(
                $"'{labelled.Source}' has {trained} labelled items to train on. Those without labels help where labels "
                    + $"are few: up to {most}. Leave --unlabelled out."
            );
        Dataset data = DatasetReader.ReadUnlabelled(source, options.Dataset);
        RequireEnough(source, data.Items.Count, data.Rejected);
        return data;
    }

    /// <summary>Takes features of those that are not among the labelled ones.</summary>
    /// <param name="options">The run.</param>
    /// <param name="data">What was read.</param>
    /// <param name="set">The labelled images.</param>
    /// <param name="cache">Folder of the features' cache; null for none.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">They hold images that the data set's own split is judged by, or too few can
    /// be used.</exception>
    public static UnlabelledImages Of(
        TrainOptions options,
        Dataset data,
        TrainingSet set,
        string? cache,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        string source = options.Unlabelled!;
        List<string> notes = [];
        IReadOnlyList<DataItem> items = data.Items;
        if (items.Count > Most)
        {
            DataItem[] drawn = [.. items.OrderBy(item => item.Name, StringComparer.Ordinal)];
            new Rng(options.Seed).Shuffle<DataItem>(drawn);
            items = drawn[..Most];
            notes.Add($"Of {data.Items.Count} items without labels in '{source}', {Most} were drawn.");
        }

        ItemRows rows = set.Extractor.Extract(items, cache, progress, cancellation);
        rows.SortByContent();
        string[] keys = rows.ContentKeys();
        ILookup<string, int> labelled = set
            .Rows.ContentKeys()
            .Select((key, row) => (key, row))
            .ToLookup(x => x.key, x => x.row);
        int[] copies = [.. Enumerable.Range(0, keys.Length).Where(row => labelled.Contains(keys[row]))];
        RequireNoTest(source, set, copies, row => items[rows.Accepted[row]].Name, row => labelled[keys[row]]);
        int[] kept = [.. Enumerable.Range(0, keys.Length).Except(copies).DistinctBy(row => keys[row])];
        int among = copies.Length;
        if (among > 0)
            notes.Add(
                $"{among} of the items without labels in '{source}' {(among == 1 ? "is" : "are")} byte for byte "
                    + "among the labelled ones and left out."
            );
        RequireEnough(source, kept.Length, [.. data.Rejected, .. rows.Rejected]);
        var table = new FeatureTable(set.Data.ClassNames, new int[keys.Length], rows.Values, rows.Width);
        return new UnlabelledImages(
            table.Select(kept),
            [.. kept.SelectMany(row => rows.Digests[(row * 32)..((row + 1) * 32)])],
            [.. data.Rejected, .. rows.Rejected],
            notes
        );
    }

    /// <summary>A split that the images come with says by which of them the model is judged.</summary>
    private static void RequireNoTest(
        string source,
        TrainingSet set,
        int[] copies,
        Func<int, string> name,
        Func<int, IEnumerable<int>> labelled
    )
    {
        if (set.Data.Splits is not { } splits)
            return;
        SplitPart test = PremadeSplit.HeldOut(splits);
        int[] leaked = [.. copies.Where(row => labelled(row).Any(known => splits[set.Rows.Accepted[known]] == test))];
        if (leaked.Length > 0)
            throw new TransferException(
                $"'{source}' holds items that '{set.Data.Source}' is judged by, byte for byte "
                    + $"({DuplicateNotes.Some(leaked.Select(name))}). Where those are, nearly the same ones may be "
                    + "too, and the model would look better than it is. Take the items of the test part out of it."
            );
    }

    private static void RequireEnough(string source, int count, IReadOnlyList<RejectedItem> lost)
    {
        if (count >= Least)
            return;
        string were = lost.Count == 1 ? "was" : "were",
            because = lost.Count == 0 ? "" : $" {lost.Count} {were} rejected, e.g. {lost[0].File}: {lost[0].Reason}.";
        throw new TransferException(
            $"'{source}' has {count} usable {(count == 1 ? "item" : "items")} that {(count == 1 ? "is" : "are")} not "
                + $"among the labelled ones; at least {Least} are needed to train on, and hundreds are better."
                + $"{because} Give more, or leave --unlabelled out."
        );
    }
}
