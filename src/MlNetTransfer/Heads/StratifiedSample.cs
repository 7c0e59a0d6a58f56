using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// A part of the rows that comparisons are made on, so that their cost is bounded whatever the number of rows.
/// </summary>
internal static class StratifiedSample
{
    /// <summary>Rows that comparisons are made on, about, where nothing else is asked for.</summary>
    public const int ComparedRows = 2000;

    /// <summary>
    /// The table itself where it has no more rows, else about as many, thinned class by class, at least 2 of each class
    /// staying.
    /// </summary>
    public static FeatureTable Of(FeatureTable table, int count, int seed)
    {
        if (table.Rows <= count)
            return table;
        var rows = new List<int>();
        foreach (int[] members in new DrawOrder(table.Labels, table.ClassNames).Shuffled(seed))
            rows.AddRange(
                members.AsSpan(
                    0,
                    Math.Min(members.Length, Math.Max(2, (int)((long)members.Length * count / table.Rows)))
                )
            );

        rows.Sort();
        return table.Select(rows);
    }
}
