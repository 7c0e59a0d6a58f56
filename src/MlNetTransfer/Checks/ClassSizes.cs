using System.Globalization;

namespace MlNetTransfer.Checks;

/// <summary>Classes too small to learn, and classes of very different size.</summary>
internal static class ClassSizes
{
    /// <summary>Images below which a class cannot be learnt or judged: one in each of five folds.</summary>
    public const int Least = 5;

    /// <summary>How many times the smallest class the largest may be.</summary>
    public const double MostRatio = 10;

    private const int Named = 3;

    /// <summary>The findings.</summary>
    /// <param name="classNames">The classes.</param>
    /// <param name="counts">Usable images of each [classes].</param>
    public static IEnumerable<DataFinding> Find(IReadOnlyList<string> classNames, IReadOnlyList<int> counts)
    {
        for (int c = 0; c < counts.Count; c++)
            if (counts[c] < Least)
                yield return new DataFinding(
                    FindingKind.SmallClass,
                    [],
                    counts[c],
                    $"{Images(counts[c])}, at least {Least} are needed. Add images, merge the class, or remove it."
                )
                {
                    Class = classNames[c],
                };
        if (Imbalanced(counts) is not var (largest, smallest))
            yield break;
        yield return new DataFinding(
            FindingKind.Imbalance,
            [],
            Ratio(counts[largest], counts[smallest]),
            Difference(classNames, counts, largest, smallest)
        )
        {
            Class = classNames[smallest],
        };
    }

    /// <summary>The same in a line for each kind.</summary>
    public static IEnumerable<string> Notes(IReadOnlyList<string> classNames, IReadOnlyList<int> counts)
    {
        string[] small = [.. classNames.Where((_, c) => counts[c] < Least)];
        if (small.Length > 0)
        {
            string more = small.Length > Named ? $" and {small.Length - Named} more" : "",
                named = string.Join(", ", small.Take(Named).Select(c => $"'{c}'")) + more;
            yield return $"{small.Length} class{(small.Length == 1 ? " has" : "es have")} fewer than {Least} images, "
                + $"too few to learn or to judge ({named}): add images, merge or remove.";
        }

        if (Imbalanced(counts) is var (largest, smallest))
            yield return Difference(classNames, counts, largest, smallest);
    }

    private static (int Largest, int Smallest)? Imbalanced(IReadOnlyList<int> counts)
    {
        if (counts.Count < 2)
            return null;
        int largest = Enumerable.Range(0, counts.Count).MaxBy(c => counts[c]),
            smallest = Enumerable.Range(0, counts.Count).MinBy(c => counts[c]);
        return Ratio(counts[largest], counts[smallest]) >= MostRatio ? (largest, smallest) : null;
    }

    private static double Ratio(int largest, int smallest) => (double)largest / Math.Max(1, smallest);

    private static string Difference(
        IReadOnlyList<string> classNames,
        IReadOnlyList<int> counts,
        int largest,
        int smallest
    ) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Class '{classNames[largest]}' has {Ratio(counts[largest], counts[smallest]):f0} times as many images as "
                + $"'{classNames[smallest]}' ({counts[largest]} and {counts[smallest]}): add images of the small ones, "
                + $"or let every class count the same with --class-weights balanced."
        );

    private static string Images(int count) => count == 1 ? "1 usable image" : $"{count} usable images";
}
