namespace MlNetTransfer.Reports.Sections;

/// <summary>Which images the page shows, and in which order they get their pictures.</summary>
/// <param name="Mistakes">The gallery: mistakes, the surest first.</param>
/// <param name="Cells">The images of each cell of the confusion table that is shown.</param>
/// <param name="Classes">The classes that the confusion table shows.</param>
internal sealed record ImagePlan(
    IReadOnlyList<Judged> Mistakes,
    IReadOnlyDictionary<(int Truth, int Predicted), IReadOnlyList<Judged>> Cells,
    IReadOnlyList<int> Classes
)
{
    /// <summary>Classes of the confusion table at most; beyond that nobody can read it.</summary>
    public const int MostClasses = 25;

    /// <summary>Images that a cell of mistakes shows at most, and one of right answers.</summary>
    private const int OfMistakes = 24,
        OfHits = 6;

    public static ImagePlan Of(FinishedRun run, HtmlReportOptions options)
    {
        IReadOnlyList<Judged> all = Judged.Of(run);
        RunDocument d = run.Document;
        int[] classes =
        [
            .. Enumerable
                .Range(0, d.PerClass.Count)
                .OrderByDescending(c => Errors(d, c))
                .ThenBy(c => c)
                .Take(MostClasses)
                .Order(),
        ];
        HashSet<int> shown = [.. classes];
        return new ImagePlan(
            [.. all.Where(j => !j.IsRight).OrderByDescending(j => j.Probability).Take(options.Mistakes)],
            all.Where(j => shown.Contains(j.Truth) && shown.Contains(j.Predicted))
                .GroupBy(j => (j.Truth, j.Predicted))
                .ToDictionary(
                    g => g.Key,
                    g =>
                        (IReadOnlyList<Judged>)
                            [
                                // The surest mistakes, and the right answers that were hardest.
                                .. g.OrderByDescending(j => j.IsRight ? -j.Probability : j.Probability)
                                    .Take(g.Key.Truth == g.Key.Predicted ? OfHits : OfMistakes),
                            ]
                ),
            classes
        );
    }

    /// <summary>
    /// The most instructive first: the gallery, what the checks found, then mistakes cell by cell in turns, then right
    /// answers.
    /// </summary>
    /// <param name="found">Images of findings.</param>
    public IEnumerable<string> InOrder(IEnumerable<string> found) =>
        Mistakes.Select(j => j.Image.File).Concat(found).Concat(OfCells());

    private IEnumerable<string> OfCells() =>
        InTurns(Cells.Where(c => c.Key.Truth != c.Key.Predicted).Select(c => c.Value))
            .Concat(InTurns(Cells.Where(c => c.Key.Truth == c.Key.Predicted).Select(c => c.Value)))
            .Select(j => j.Image.File);

    private static IEnumerable<Judged> InTurns(IEnumerable<IReadOnlyList<Judged>> cells)
    {
        IReadOnlyList<Judged>[] all = [.. cells.OrderByDescending(c => c.Count)];
        int longest = all.Length == 0 ? 0 : all.Max(c => c.Count);
        return Enumerable.Range(0, longest).SelectMany(i => all.Where(c => i < c.Count).Select(c => c[i]));
    }

    private static int Errors(RunDocument d, int c) =>
        d.PerClass[c].Support + d.Confusion.Sum(row => row[c]) - (2 * d.Confusion[c][c]);
}
