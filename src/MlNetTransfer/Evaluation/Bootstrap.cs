namespace MlNetTransfer.Evaluation;

/// <summary>A figure and the interval that it lies in.</summary>
/// <param name="Value">The figure.</param>
/// <param name="Low">Lower end of its 95 % interval.</param>
/// <param name="High">Upper end.</param>
public readonly record struct Estimate(double Value, double Low, double High);

/// <summary>
/// Figures of a classifier beside its accuracy, each with its 95 % percentile interval by the bootstrap over rows
/// (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).
/// </summary>
/// <remarks>
/// Rows are drawn with replacement by a fixed seed, 1,000 times, of many rows less often, down to 200, so that it takes
/// a second at most. The interval of the calibration error lies a little high: the error of rows drawn twice over is
/// larger than that of as many different ones.
/// </remarks>
public sealed record ClassificationMetrics
{
    private const int Seed = 20261129,
        MostDraws = 1000,
        LeastDraws = 200;
    private const long MostRows = 20_000_000;

    /// <summary>Mean recall of the classes that have rows: accuracy if all were equally frequent, in [0, 1].</summary>
    public required Estimate BalancedAccuracy { get; init; }

    /// <summary>Mean F1 of all classes, in [0, 1].</summary>
    public required Estimate MacroF1 { get; init; }

    /// <summary>Mean log-loss in nats.</summary>
    public required Estimate LogLoss { get; init; }

    /// <summary>
    /// Share of the log-loss of guessing by the classes' frequencies that is taken away: 1 is perfect, 0 no better, in
    /// (-∞, 1]; ML.NET's LogLossReduction.
    /// </summary>
    public required Estimate LogLossReduction { get; init; }

    /// <summary>
    /// Mean squared distance of the probabilities from the truth, Σ over classes, in [0, 2] (Brier, Verification of
    /// forecasts expressed in terms of probability, 1950).
    /// </summary>
    public required Estimate Brier { get; init; }

    /// <summary>
    /// Share of rows whose true class is among the three likeliest, in [0, 1]; of equal probabilities the lower index
    /// counts as likelier.
    /// </summary>
    public required Estimate Top3Accuracy { get; init; }

    /// <summary>Expected calibration error over 15 bins, in [0, 1].</summary>
    public required Estimate CalibrationError { get; init; }

    /// <summary>Measures them.</summary>
    /// <param name="labels">True labels [rows]; at least one row.</param>
    /// <param name="probabilities">Predicted probabilities [rows × classes], row-major.</param>
    /// <param name="classes">Number of classes.</param>
    internal static ClassificationMetrics Of(int[] labels, float[] probabilities, int classes)
    {
        var rows = new Row[labels.Length];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = Row.Of(labels[i], probabilities.AsSpan(i * classes, classes));
        double[] whole = Figures(rows, Enumerable.Range(0, rows.Length), classes);
        int draws = (int)Math.Clamp(MostRows / rows.Length, LeastDraws, MostDraws);
        double[][] drawn = [.. whole.Select(_ => new double[draws])];
        var rng = new Rng(Seed);
        for (int d = 0; d < draws; d++)
        {
            double[] figures = Figures(
                rows,
                Enumerable.Range(0, rows.Length).Select(_ => rng.Next(rows.Length)),
                classes
            );
            for (int f = 0; f < figures.Length; f++)
                drawn[f][d] = figures[f];
        }

        Estimate Found(int figure)
        {
            Array.Sort(drawn[figure]);
            return new Estimate(whole[figure], Quantile(drawn[figure], 0.025), Quantile(drawn[figure], 0.975));
        }

        return new ClassificationMetrics
        {
            BalancedAccuracy = Found(0),
            MacroF1 = Found(1),
            LogLoss = Found(2),
            LogLossReduction = Found(3),
            Brier = Found(4),
            Top3Accuracy = Found(5),
            CalibrationError = Found(6),
        };
    }

    /// <summary>The quantile of sorted values, between the two nearest as numpy's default is.</summary>
    internal static double Quantile(double[] sorted, double share)
    {
        double at = share * (sorted.Length - 1);
        int below = (int)at;
        return below + 1 < sorted.Length
            ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below])
            : sorted[below];
    }

    private static double[] Figures(Row[] rows, IEnumerable<int> drawn, int classes)
    {
        int[] support = new int[classes],
            predicted = new int[classes],
            hits = new int[classes];
        var bins = new CalibrationBins(15);
        double loss = 0,
            brier = 0;
        int top = 0,
            count = 0;
        foreach (int i in drawn)
        {
            Row row = rows[i];
            support[row.Label]++;
            predicted[row.Predicted]++;
            if (row.Label == row.Predicted)
                hits[row.Label]++;
            bins.Add(row.Confidence, row.Label == row.Predicted);
            (loss, brier, top, count) = (loss + row.Loss, brier + row.Brier, top + (row.IsInTop3 ? 1 : 0), count + 1);
        }

        double recall = 0,
            f1 = 0,
            entropy = 0;
        int present = 0;
        for (int c = 0; c < classes; c++)
        {
            if (support[c] > 0)
            {
                (recall, present) = (recall + (double)hits[c] / support[c], present + 1);
                double share = (double)support[c] / count;
                entropy -= share * Math.Log(share);
            }

            f1 += support[c] + predicted[c] == 0 ? 0 : 2.0 * hits[c] / (support[c] + predicted[c]);
        }

        return
        [
            recall / present,
            f1 / classes,
            loss / count,
            entropy > 0 ? 1 - loss / count / entropy : 0,
            brier / count,
            (double)top / count,
            bins.Error,
        ];
    }

    /// <summary>What the figures need of a row.</summary>
    private readonly record struct Row(
        int Label,
        int Predicted,
        float Confidence,
        double Loss,
        double Brier,
        bool IsInTop3
    )
    {
        public static Row Of(int label, ReadOnlySpan<float> p)
        {
            int best = 0,
                before = 0;
            double brier = 0;
            for (int c = 0; c < p.Length; c++)
            {
                if (p[c] > p[best])
                    best = c;
                if (p[c] > p[label] || p[c] == p[label] && c < label)
                    before++;
                double error = p[c] - (c == label ? 1 : 0);
                brier += error * error;
            }

            return new Row(label, best, p[best], JudgedRows.Loss(p[label]), brier, before < 3);
        }
    }
}

/// <summary>
/// McNemar's exact test: whether two classifiers differ in how often they are right on the same rows (McNemar, Note on
/// the sampling error of the difference between correlated proportions or percentages, 1947).
/// </summary>
public static class McNemar
{
    /// <summary>
    /// Probability, if neither is better, that the rows which only one gets right are divided at least as unevenly:
    /// two-sided binomial with ½.
    /// </summary>
    /// <param name="gained">Rows that the second gets right and the first wrong.</param>
    /// <param name="lost">Rows that the first gets right and the second wrong.</param>
    /// <returns>p in (0, 1].</returns>
    public static double ExactP(int gained, int lost)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gained);
        ArgumentOutOfRangeException.ThrowIfNegative(lost);
        int n = gained + lost,
            least = Math.Min(gained, lost);
        double logTerm = -n * Math.Log(2),
            sum = 0;
        for (int k = 0; k <= least; k++)
        {
            sum += Math.Exp(logTerm);
            logTerm += Math.Log((double)(n - k) / (k + 1));
        }

        return Math.Min(1, 2 * sum);
    }
}
