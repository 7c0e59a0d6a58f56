using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>The images that are adapted to.</summary>
/// <param name="Name">Where they come from.</param>
/// <param name="Items">The images.</param>
/// <param name="Labels">The source's label of each, -1 where it has none; null where they are not looked
/// at.</param>
/// <param name="Rejected">What was passed over.</param>
internal sealed record AdaptTarget(
    string Name,
    IReadOnlyList<DataItem> Items,
    int[]? Labels,
    IReadOnlyList<RejectedItem> Rejected
)
{
    /// <summary>Reads them.</summary>
    /// <param name="options">The job.</param>
    /// <param name="classes">The source's classes.</param>
    /// <exception cref="TransferException">They have labels to judge by, of classes that the source does not
    /// have.</exception>
    public static AdaptTarget Read(AdaptOptions options, IReadOnlyList<string> classes)
    {
        Dataset images = DatasetReader.ReadUnlabelled(options.Target, options.Dataset);
        var target = new AdaptTarget(options.Target, images.Items, null, images.Rejected);
        target.RequireEnough(images.Items.Count, []);
        if (!options.ScoreTarget)
            return target;
        Dataset data = DatasetReader.Read(options.Target, options.Dataset with { MinimumClasses = 1 });
        int[] known = new KnownClasses(
            classes,
            "the labelled images",
            "do not have",
            "They have",
            "Give both one name"
        ).LabelsOf(data.ClassNames, options.Target);
        Dictionary<ItemLocation, int> labels = [];
        foreach (DataItem item in data.Items)
            labels[item.Location] = known[item.Label];
        return target with { Labels = [.. images.Items.Select(item => labels.GetValueOrDefault(item.Location, -1))] };
    }

    /// <summary>The labels of the rows; null where they are not looked at.</summary>
    public int[]? Truth(ItemRows rows) => Labels is null ? null : [.. rows.Accepted.Select(item => Labels[item])];

    /// <summary>Rows in the order of their content, so that no sum depends on how they are listed.</summary>
    /// <exception cref="TransferException">Too few different ones can be used.</exception>
    public void Sort(ItemRows rows)
    {
        RequireEnough(Groups.OfDigests(rows.Digests).Distinct().Count(), [.. Rejected, .. rows.Rejected]);
        rows.SortByContent();
    }

    private void RequireEnough(int different, IReadOnlyList<RejectedItem> lost)
    {
        if (different >= DomainDistance.LeastImages)
            return;
        string because = lost.Count == 0 ? "" : $" {lost.Count} were rejected, e.g. {lost[0].File}: {lost[0].Reason}.";
        throw new TransferException(
            $"'{Name}' has {different} different usable {(different == 1 ? "item" : "items")}; at least "
                + $"{DomainDistance.LeastImages} are needed to adapt to them, and a hundred are better.{because} Give "
                + "more; they need no labels."
        );
    }

    /// <summary>What a reader should know of them.</summary>
    /// <param name="classes">The source's classes.</param>
    public IEnumerable<string> Notes(IReadOnlyList<string> classes)
    {
        if (Labels is not null || !Directory.Exists(Name))
            yield break;
        string[] folders =
        [
            .. Directory
                .EnumerateDirectories(Name)
                .Select(path => Path.GetFileName(path))
                .Where(name => !name.StartsWith('.') && SplitNames.Parse(name) is null)
                .Order(StringComparer.Ordinal),
        ];
        if (folders.Length >= 2 && !folders.Intersect(classes, StringComparer.OrdinalIgnoreCase).Any())
            yield return $"None of the {folders.Length} folders in '{Name}' ({DuplicateNotes.Some(folders)}) is called "
                + "like a class of the labelled images. If they are classes, the two sets have none in common, and a "
                + "model of one cannot know those of the other.";
    }
}
