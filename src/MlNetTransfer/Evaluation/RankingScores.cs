namespace MlNetTransfer.Evaluation;

/// <summary>
/// How well the probability of each class ranks its own rows above the others, whatever the threshold, with 95 %
/// percentile intervals by the bootstrap over rows.
/// </summary>
/// <remarks>
/// Rows are drawn with replacement by a fixed seed, up to 1,000 times, of many rows and classes less often. A draw in
/// which a class has no row, or no other, does not count for it.
/// </remarks>
/// <param name="MacroRocAuc">Mean of the classes' areas under the ROC curve that can be measured, in [0, 1]; null where
/// none can.</param>
/// <param name="MacroAveragePrecision">Mean of their average precisions, in [0, 1]; null where none can be
/// measured.</param>
/// <param name="PerClass">The classes, in their order.</param>
public sealed record RankingScores(
    Estimate? MacroRocAuc,
    Estimate? MacroAveragePrecision,
    IReadOnlyList<ClassRanking> PerClass
)
{
    private const int Seed = 20261129,
        MostDraws = 1000,
        LeastDraws = 20;
    private const long MostRows = 50_000_000;

    /// <summary>Measures them.</summary>
    /// <param name="classNames">Names of the classes [classes].</param>
    /// <param name="labels">True labels [rows]; at least one row.</param>
    /// <param name="probabilities">Predicted probabilities [rows × classes], row-major.</param>
    internal static RankingScores Of(IReadOnlyList<string> classNames, int[] labels, float[] probabilities)
    {
        int classes = classNames.Count,
            rows = labels.Length;
        Ranking[] rankings =
        [
            .. Enumerable.Range(0, classes).Select(c => new Ranking(labels, probabilities, classes, c)),
        ];
        int[] once = [.. Enumerable.Repeat(1, rows)];
        (double Area, double Precision)?[] whole = [.. rankings.Select(ranking => ranking.Judge(once))];
        int[] measured = [.. Enumerable.Range(0, classes).Where(c => whole[c] is not null)];
        int draws = (int)Math.Clamp(MostRows / ((long)rows * classes), LeastDraws, MostDraws);
        List<double>[] areas = [.. whole.Select(_ => new List<double>())],
            precisions = [.. whole.Select(_ => new List<double>())];
        List<double> meanAreas = [],
            meanPrecisions = [];
        var rng = new Rng(Seed);
        for (int draw = 0; draw < draws; draw++)
        {
            var times = new int[rows];
            for (int i = 0; i < rows; i++)
                times[rng.Next(rows)]++;
            var found = new (double Area, double Precision)?[classes];
            Parallel.ForEach(measured, c => found[c] = rankings[c].Judge(times));
            foreach (int c in measured)
                if (found[c] is { } one)
                {
                    areas[c].Add(one.Area);
                    precisions[c].Add(one.Precision);
                }

            if (found.Any(one => one is not null))
            {
                meanAreas.Add(found.Average(one => one?.Area)!.Value);
                meanPrecisions.Add(found.Average(one => one?.Precision)!.Value);
            }
        }

        return new RankingScores(
            measured.Length == 0 ? null : Estimated(whole.Average(one => one?.Area)!.Value, meanAreas),
            measured.Length == 0 ? null : Estimated(whole.Average(one => one?.Precision)!.Value, meanPrecisions),
            [
                .. classNames.Select(
                    (name, c) =>
                        new ClassRanking(
                            name,
                            whole[c] is { } one ? Estimated(one.Area, areas[c]) : null,
                            whole[c] is { } two ? Estimated(two.Precision, precisions[c]) : null
                        )
                ),
            ]
        );
    }

    private static Estimate Estimated(double value, List<double> draws)
    {
        if (draws.Count == 0)
            return new Estimate(value, 0, 1);
        double[] sorted = [.. draws.Order()];
        return new Estimate(
            value,
            ClassificationMetrics.Quantile(sorted, 0.025),
            ClassificationMetrics.Quantile(sorted, 0.975)
        );
    }

    /// <summary>
    /// The rows by the probability of one class, falling: sorted once, judged for any number of draws.
    /// </summary>
    private sealed class Ranking
    {
        private readonly int[] order;
        private readonly bool[] own,
            endsTie;

        public Ranking(int[] labels, float[] probabilities, int classes, int label)
        {
            order = [.. Enumerable.Range(0, labels.Length).OrderByDescending(i => probabilities[i * classes + label])];
            own = [.. order.Select(i => labels[i] == label)];
            endsTie =
            [
                .. order.Select(
                    (row, at) =>
                        at + 1 == order.Length
                        || probabilities[row * classes + label] != probabilities[order[at + 1] * classes + label]
                ),
            ];
        }

        /// <summary>
        /// Area under the ROC curve, rows of one probability counted by half, and average precision Σ (recall gained) ·
        /// precision; null where there is no row of the class, or of another.
        /// </summary>
        /// <param name="times">How often each row was drawn [rows].</param>
        public (double Area, double Precision)? Judge(int[] times)
        {
            long hits = 0,
                misses = 0,
                tiedHits = 0,
                tiedMisses = 0;
            double area = 0,
                precision = 0;
            for (int at = 0; at < order.Length; at++)
            {
                if (own[at])
                    tiedHits += times[order[at]];
                else
                    tiedMisses += times[order[at]];
                if (!endsTie[at])
                    continue;
                area += tiedMisses * (hits + tiedHits / 2.0);
                hits += tiedHits;
                misses += tiedMisses;
                if (tiedHits > 0)
                    precision += (double)tiedHits * hits / (hits + misses);
                (tiedHits, tiedMisses) = (0, 0);
            }

            return hits == 0 || misses == 0 ? null : (area / ((double)hits * misses), precision / hits);
        }
    }
}

/// <summary>How well the probability of a class ranks its rows above the others (one against the rest).</summary>
/// <param name="Name">The class.</param>
/// <param name="RocAuc">Area under the ROC curve: the probability that a row of the class has a higher probability than
/// one of another, in [0, 1], guessing ½ (Fawcett, An introduction to ROC analysis, 2006); null where the class has no
/// row, or all.</param>
/// <param name="AveragePrecision">Σ (recall gained) · precision over the thresholds, in [0, 1], guessing the share of
/// the class; null as before.</param>
public sealed record ClassRanking(string Name, Estimate? RocAuc, Estimate? AveragePrecision);
