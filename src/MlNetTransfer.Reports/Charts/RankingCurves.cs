using MlNetTransfer.Jobs;

namespace MlNetTransfer.Reports.Charts;

/// <summary>
/// What each threshold on the probability of a class would give, one class against the rest. Images of one probability
/// are one step, as they are for the areas beside it.
/// </summary>
/// <param name="Name">The class.</param>
/// <param name="Roc">Share of the other images taken for it, and share of its own that is found, from (0, 0) to (1, 1)
/// by falling threshold (Fawcett, An introduction to ROC analysis, 2006).</param>
/// <param name="PrecisionRecall">Share of its own images that is found, and share of those taken for it that is of it:
/// from (0, 1) on.</param>
internal sealed record RankingCurve(
    string Name,
    IReadOnlyList<(double X, double Y)> Roc,
    IReadOnlyList<(double X, double Y)> PrecisionRecall
)
{
    /// <summary>Area under the ROC curve, by the trapezium rule.</summary>
    public double RocAuc => Roc.Zip(Roc.Skip(1), (a, b) => (b.X - a.X) * (a.Y + b.Y) / 2).Sum();

    /// <summary>Σ (recall gained) · precision.</summary>
    public double AveragePrecision => PrecisionRecall.Zip(PrecisionRecall.Skip(1), (a, b) => (b.X - a.X) * b.Y).Sum();

    /// <summary>The curve of a class.</summary>
    /// <param name="name">The class.</param>
    /// <param name="own">Whether each image is of it [rows].</param>
    /// <param name="probabilities">The probability that each is given for it [rows].</param>
    /// <returns>Null where there is no image of it, or no other.</returns>
    public static RankingCurve? Of(string name, IReadOnlyList<bool> own, float[] probabilities)
    {
        int hits = own.Count(is1 => is1),
            misses = own.Count - hits;
        if (hits == 0 || misses == 0)
            return null;
        int[] order = [.. Enumerable.Range(0, own.Count)];
        Array.Sort([.. probabilities.Select(p => -p)], order);
        List<(double, double)> roc = [(0, 0)],
            precision = [(0, 1)];
        int found = 0,
            wrong = 0;
        for (int at = 0; at < order.Length; at++)
        {
            if (own[order[at]])
                found++;
            else
                wrong++;
            if (at + 1 < order.Length && probabilities[order[at]] == probabilities[order[at + 1]])
                continue;
            roc.Add(((double)wrong / misses, (double)found / hits));
            precision.Add(((double)found / hits, (double)found / (found + wrong)));
        }

        return new RankingCurve(name, roc, precision);
    }

    /// <summary>The curve of precision as average precision counts it: level between two of its points.</summary>
    public IEnumerable<(double X, double Y)> PrecisionSteps()
    {
        double recall = 0;
        foreach ((double x, double y) in PrecisionRecall.Where(point => point.X > 0))
        {
            // Where recall stays as it was, nothing is gained, and nothing is counted.
            if (x == recall)
                continue;
            yield return (recall, y);
            yield return (x, y);
            recall = x;
        }
    }
}

/// <summary>The curves of a run: the classes that stand out least, and the mean of all.</summary>
/// <param name="Weakest">The classes with the smallest areas under their ROC curves, the smallest first.</param>
/// <param name="Measured">Classes that have a curve.</param>
/// <param name="MeanRocAuc">Mean of their areas under the ROC curve.</param>
/// <param name="MeanAveragePrecision">Mean of their average precisions.</param>
/// <param name="MeanRoc">Mean of the classes' ROC curves at each place of the grid.</param>
/// <param name="MeanPrecision">Mean of their precisions at each recall of the grid.</param>
internal sealed record RankingCurves(
    IReadOnlyList<RankingCurve> Weakest,
    int Measured,
    double MeanRocAuc,
    double MeanAveragePrecision,
    IReadOnlyList<(double X, double Y)> MeanRoc,
    IReadOnlyList<(double X, double Y)> MeanPrecision
)
{
    /// <summary>Classes with a curve of their own: more lines in one chart cannot be told apart.</summary>
    public const int Most = 3;

    /// <summary>Rows times classes up to which curves are made: some seconds.</summary>
    public const long MostValues = 20_000_000;

    private const int Grid = 200,
        Together = 32;

    /// <summary>Makes them.</summary>
    /// <param name="classes">The classes.</param>
    /// <param name="labels">The class of every image held out [rows].</param>
    /// <param name="images">What was said of them [rows].</param>
    /// <returns>Null where no class can be measured.</returns>
    public static RankingCurves? Of(IReadOnlyList<string> classes, int[] labels, IReadOnlyList<EvaluatedItem> images)
    {
        List<(RankingCurve Curve, double Area)> weakest = [];
        double[] roc = new double[Grid + 1],
            precision = new double[Grid + 1];
        int measured = 0;
        double areas = 0,
            precisions = 0;
        // Some classes at a time: the curves of all would not fit, and the sums do not depend on the threads.
        foreach (int[] some in Enumerable.Range(0, classes.Count).Chunk(Together))
        {
            var curves = new RankingCurve?[some.Length];
            Parallel.For(0, some.Length, i => curves[i] = Measure(some[i]));
            foreach (RankingCurve curve in curves.OfType<RankingCurve>())
            {
                measured++;
                Add(roc, curve.Roc);
                Add(precision, [.. curve.PrecisionSteps()]);
                areas += curve.RocAuc;
                precisions += curve.AveragePrecision;
                weakest.Add((curve, curve.RocAuc));
            }

            weakest = [.. weakest.OrderBy(one => one.Area).Take(Most)];
        }

        return measured == 0
            ? null
            : new RankingCurves(
                [.. weakest.Select(one => one.Curve)],
                measured,
                areas / measured,
                precisions / measured,
                [(0, 0), .. roc.Select((sum, i) => ((double)i / Grid, sum / measured))],
                [.. precision.Select((sum, i) => ((double)i / Grid, sum / measured))]
            );

        RankingCurve? Measure(int c) =>
            RankingCurve.Of(
                classes[c],
                Array.ConvertAll(labels, label => label == c),
                [.. images.Select(image => image.Probabilities.Span[c])]
            );
    }

    /// <summary>
    /// Adds what a curve has at each place of the grid: between two points by a straight line, of several points at one
    /// place the last.
    /// </summary>
    private static void Add(double[] sums, IReadOnlyList<(double X, double Y)> curve)
    {
        int next = 0;
        for (int i = 0; i <= Grid; i++)
        {
            double x = (double)i / Grid;
            while (next < curve.Count - 1 && curve[next + 1].X <= x)
                next++;
            (double fromX, double fromY) = curve[next];
            if (next == curve.Count - 1 || x <= fromX)
            {
                sums[i] += fromY;
                continue;
            }

            (double toX, double toY) = curve[next + 1];
            sums[i] += fromY + ((toY - fromY) * (x - fromX) / (toX - fromX));
        }
    }
}
