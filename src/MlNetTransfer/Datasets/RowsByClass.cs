namespace MlNetTransfer.Datasets;

/// <summary>Row indices grouped by label.</summary>
internal static class RowsByClass
{
    /// <returns>One array per label from 0 to the highest, rows ascending.</returns>
    public static int[][] Of(ReadOnlySpan<int> labels)
    {
        var rows = new List<List<int>>();
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] < 0)
                throw new ArgumentException($"Row {row} has label {labels[row]}; labels start at 0.", nameof(labels));
            while (rows.Count <= labels[row])
                rows.Add([]);
            rows[labels[row]].Add(row);
        }

        return [.. rows.Select(list => list.ToArray())];
    }
}
