using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>The images that are adapted to.</summary>
/// <param name="Name">Where they come from.</param>
/// <param name="Items">The images.</param>
/// <param name="Labels">The source's label of each; null where they are not looked at.</param>
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
        if (!options.ScoreTarget)
        {
            (IReadOnlyList<DataItem> items, IReadOnlyList<RejectedItem> rejected) = ImageInputs.Of(
                [options.Target],
                options.Dataset.TextColumn
            );
            return new AdaptTarget(options.Target, items, null, rejected);
        }

        Dataset data = DatasetReader.Read(options.Target, options.Dataset with { MinimumClasses = 1 });
        int[] known = new KnownClasses(classes, "the labelled images", "do not have", "They have").LabelsOf(
            data.ClassNames,
            options.Target
        );
        return new AdaptTarget(
            options.Target,
            data.Items,
            [.. data.Items.Select(item => known[item.Label])],
            data.Rejected
        );
    }

    /// <summary>The labels of the rows; null where they are not looked at.</summary>
    public int[]? Truth(ItemRows rows) => Labels is null ? null : [.. rows.Accepted.Select(item => Labels[item])];

    /// <exception cref="TransferException">Too few different images can be used.</exception>
    public void RequireEnough(ItemRows rows)
    {
        int different = Groups.OfDigests(rows.Digests).Distinct().Count();
        if (different >= DomainDistance.LeastImages)
            return;
        RejectedItem[] lost = [.. Rejected, .. rows.Rejected];
        string because =
            lost.Length == 0 ? "" : $" {lost.Length} were rejected, e.g. {lost[0].File}: {lost[0].Reason}.";
        throw new TransferException(
            $"'{Name}' has {different} different usable images; at least {DomainDistance.LeastImages} are needed to "
                + $"adapt to them, and a hundred are better.{because} Give more images; they need no labels."
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
                .Where(name => !name.StartsWith('.'))
                .Order(StringComparer.Ordinal),
        ];
        if (folders.Length >= 2 && !folders.Intersect(classes, StringComparer.OrdinalIgnoreCase).Any())
            yield return $"None of the {folders.Length} folders in '{Name}' ({DuplicateNotes.Some(folders)}) is called "
                + "like a class of the labelled images. If they are classes, the two sets have none in common, and a "
                + "model of one cannot know those of the other.";
    }
}
