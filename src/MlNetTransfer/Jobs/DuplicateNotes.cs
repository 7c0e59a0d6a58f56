namespace MlNetTransfer.Jobs;

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
        ILookup<string, int> byContent = Enumerable
            .Range(0, set.Table.Rows)
            .OrderBy(Name, StringComparer.Ordinal)
            .ToLookup(row => Convert.ToHexString(set.Rows.Digests, row * 32, 32));
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
                + $"class, byte for byte: "
                + $"decide which class is right "
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
