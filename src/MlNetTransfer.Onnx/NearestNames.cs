namespace MlNetTransfer.Onnx;

/// <summary>Suggestions for a name that does not exist.</summary>
internal static class NearestNames
{
    /// <summary>
    /// Up to <paramref name="count"/> of the candidates, nearest first: those that contain the name or are contained in
    /// it, then by edit distance (Levenshtein 1966).
    /// </summary>
    public static IReadOnlyList<string> Of(string name, IEnumerable<string> candidates, int count = 5) =>
        [
            .. candidates
                .Distinct()
                .OrderBy(c => Related(name, c) ? 0 : 1)
                .ThenBy(c => Distance(name, c))
                .ThenBy(c => c, StringComparer.Ordinal)
                .Take(count),
        ];

    private static bool Related(string a, string b) =>
        b.Contains(a, StringComparison.OrdinalIgnoreCase)
        || (b.Length >= 3 && a.Contains(b, StringComparison.OrdinalIgnoreCase));

    /// <summary>Letters to insert, delete or replace.</summary>
    public static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitute, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[b.Length];
    }
}
