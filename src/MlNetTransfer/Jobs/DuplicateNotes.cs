using MlNetTransfer.Backbones;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>Finds images that make a held-out evaluation look better or worse than it is: the same bytes on both sides, or under two labels.</summary>
internal static class DuplicateNotes
{
    public static IEnumerable<string> Of(ImageRows rows, FeatureTable table, Trial trial)
    {
        ILookup<string, int> byContent = Enumerable.Range(0, table.Rows).ToLookup(row => Convert.ToHexString(rows.Digests, row * 32, 32));
        HashSet<int> test = trial.FoldAccuracies.Count > 0 ? [] : [.. trial.TestRows];
        int leaked = byContent.Where(same => same.Any(row => !test.Contains(row))).Sum(same => same.Count(test.Contains));
        int disputed = byContent.Count(same => same.Select(row => table.Labels[row]).Distinct().Count() > 1);
        if (leaked > 0) yield return $"{leaked} of {trial.TestRows.Count} test images are byte for byte in the training part too, so the accuracy is too high: remove the duplicates.";
        if (disputed > 0) yield return $"{disputed} image{(disputed == 1 ? " stands" : "s stand")} in more than one class, byte for byte: decide which class is right.";
    }
}
