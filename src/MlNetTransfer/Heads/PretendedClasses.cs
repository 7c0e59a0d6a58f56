namespace MlNetTransfer.Heads;

/// <summary>Scores of all classes with images, by heads that did not know some of them.</summary>
internal sealed class PretendedClasses(int classes)
{
    private const int Steps = 60;
    private readonly List<Row> rows = [];

    public void Add(int turn, float[] scores, int[] labels, HashSet<int> without)
    {
        bool[] unknown = [.. Enumerable.Range(0, classes).Select(without.Contains)];
        for (int i = 0; i < labels.Length; i++)
            rows.Add(new Row(turn, scores[(i * classes)..((i + 1) * classes)], labels[i], unknown));
    }

    /// <summary>
    /// The handicap with the highest harmonic mean on the rows of some turns; the lowest of equal ones.
    /// </summary>
    public double BestHandicap(Func<int, bool> isIn)
    {
        Row[] asked = [.. rows.Where(row => isIn(row.Turn))];
        // Beyond the largest difference of two scores nothing changes any more.
        double most = asked.Length == 0 ? 0 : asked.Max(row => Math.Abs(row.Lead));
        return Enumerable
            .Range(0, Steps + 1)
            .Select(step => most * step / Steps)
            .MaxBy(handicap =>
            {
                double without = Share(asked, true, row => row.IsRight(handicap)),
                    with = Share(asked, false, row => row.IsRight(handicap));
                return without + with == 0 ? 0 : 2 * without * with / (without + with);
            });
    }

    /// <summary>Each turn with the handicap of the others.</summary>
    public ZeroShotJudgement Judge()
    {
        Dictionary<int, double> handicaps = rows.Select(row => row.Turn)
            .Distinct()
            .ToDictionary(turn => turn, turn => BestHandicap(other => other != turn));
        return new ZeroShotJudgement(
            Share(rows, true, row => row.IsRightAmongItsKind),
            Share(rows, true, row => 1.0 / row.Unknown.Count(isUnknown => isUnknown)),
            Share(rows, true, row => row.IsRight(handicaps[row.Turn])),
            Share(rows, false, row => row.IsRight(handicaps[row.Turn])),
            Share(rows, false, row => row.IsRightAmongItsKind),
            rows.Count(row => row.IsUnknown),
            rows.Count(row => !row.IsUnknown)
        );
    }

    /// <summary>The scores with a handicap; both kinds of classes count the same.</summary>
    public HeldOutLogits Logits(double handicap)
    {
        var logits = new HeldOutLogits(classes);
        int unknown = rows.Count(row => row.IsUnknown);
        foreach (Row row in rows)
            logits.Add(
                [.. row.Scores.Select((z, c) => (float)(row.Unknown[c] ? z : z - handicap))],
                row.Label,
                (double)rows.Count / (row.IsUnknown ? unknown : rows.Count - unknown)
            );
        return logits;
    }

    private static double Share(IEnumerable<Row> rows, bool isUnknown, Func<Row, bool> isRight) =>
        Share(rows, isUnknown, row => isRight(row) ? 1.0 : 0);

    private static double Share(IEnumerable<Row> rows, bool isUnknown, Func<Row, double> share) =>
        rows.Where(row => row.IsUnknown == isUnknown).Select(share).DefaultIfEmpty(0).Average();

    /// <summary>A row that was held out.</summary>
    private sealed class Row
    {
        private readonly int best,
            other;

        /// <param name="turn">When.</param>
        /// <param name="scores">Scores [classes].</param>
        /// <param name="label">The class.</param>
        /// <param name="unknown">Which classes the head did not know [classes].</param>
        public Row(int turn, float[] scores, int label, bool[] unknown)
        {
            (Turn, Scores, Label, Unknown) = (turn, scores, label, unknown);
            best = Best(c => unknown[c] == unknown[label]);
            other = Best(c => unknown[c] != unknown[label]);
        }

        public int Turn { get; }

        public float[] Scores { get; }

        public int Label { get; }

        public bool[] Unknown { get; }

        public bool IsUnknown => Unknown[Label];

        /// <summary>Whether the best class of its kind is its own.</summary>
        public bool IsRightAmongItsKind => best == Label;

        /// <summary>How far the best class of its kind is above the best of the other.</summary>
        public double Lead => Scores[best] - Scores[other];

        public bool IsRight(double handicap) => IsRightAmongItsKind && Lead + (IsUnknown ? handicap : -handicap) > 0;

        private int Best(Func<int, bool> isAsked) =>
            Enumerable.Range(0, Scores.Length).Where(isAsked).MaxBy(c => Scores[c]);
    }
}
