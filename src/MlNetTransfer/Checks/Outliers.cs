using System.Globalization;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Checks;

/// <summary>Images unlike the others of their class.</summary>
/// <remarks>
/// The distance of an image is the mean distance to its five nearest neighbours of its own class, copies of it left
/// out. The limit comes from the data: the median of the logarithms of all distances, and <see cref="Deviations"/>
/// times the standard deviation that those above the median have, taken from their own median so that outliers do not
/// widen it.
/// </remarks>
internal static class Outliers
{
    /// <summary>Neighbours.</summary>
    public const int Neighbours = 5;

    /// <summary>Standard deviations above the median; see decision 020 for what that flags.</summary>
    public const double Deviations = 2.75;

    /// <summary>
    /// Rows of a class that distances are measured to, at most, so that the cost grows with the rows.
    /// </summary>
    public const int MostCompared = 2000;

    /// <summary>Where more than half of all are the same, the least difference would be an outlier.</summary>
    private const double LeastBeyond = 0.1;

    /// <summary>Standard deviation of a normal distribution whose absolute median is 1.</summary>
    private const double OfMedian = 1.4826;

    /// <summary>The findings, the farthest first.</summary>
    /// <param name="images">The images.</param>
    /// <param name="together">Equal for copies of one image [rows].</param>
    /// <param name="passedOver">Rows that something else explains.</param>
    /// <param name="parallel">Threads and cancellation.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="mostCompared">Rows of a class that distances are measured to, at most.</param>
    public static IEnumerable<DataFinding> Find(
        CheckedImages images,
        int[] together,
        IReadOnlySet<int> passedOver,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress,
        int mostCompared = MostCompared
    )
    {
        double[] distances = Distances(images, together, mostCompared, parallel, progress);
        double[] known = [.. distances.Where(double.IsFinite).Order()];
        if (known.Length == 0)
            return [];
        double limit = Limit(known),
            usual = Median(known);
        return Enumerable
            .Range(0, images.Count)
            .Where(row => distances[row] > limit && double.IsFinite(distances[row]) && !passedOver.Contains(row))
            .OrderByDescending(row => distances[row])
            .Select(row => new DataFinding(
                FindingKind.Outlier,
                [images.Name(row)],
                Math.Exp(distances[row] - usual),
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Math.Exp(distances[row] - usual):f2} times as far from the others of '{images.ClassOf(row)}' as "
                        + $"is usual (limit {Math.Exp(limit - usual):f2}). "
                ) + "If it does not belong there, move it or leave it out; if it does, add more like it."
            )
            {
                Class = images.ClassOf(row),
            });
    }

    /// <summary>The distance from which on an image is an outlier.</summary>
    /// <param name="sorted">Logarithms of distances, ascending, at least one.</param>
    internal static double Limit(double[] sorted)
    {
        double median = Median(sorted);
        double[] above = [.. sorted.Where(d => d >= median).Select(d => d - median)];
        return median + Math.Max(Deviations * OfMedian * Median(above), LeastBeyond);
    }

    private static double[] Distances(
        CheckedImages images,
        int[] together,
        int mostCompared,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress
    )
    {
        var distances = new double[images.Count];
        Array.Fill(distances, double.NaN);
        int done = 0;
        foreach (int[] members in RowsByClass.Of(images.Table.Labels))
        {
            int step = (members.Length + mostCompared - 1) / mostCompared;
            int[] compared = [.. members.Where((_, i) => i % Math.Max(1, step) == 0)];
            Parallel.ForEach(
                members,
                parallel,
                row =>
                {
                    distances[row] = Distance(images, row, compared, together);
                    progress?.Report(
                        new JobProgress("Looking for outliers", Interlocked.Increment(ref done), images.Count)
                    );
                }
            );
        }

        return distances;
    }

    /// <summary>Not a number where the class has too few others.</summary>
    private static double Distance(CheckedImages images, int row, int[] compared, int[] together)
    {
        Span<double> nearest = stackalloc double[Neighbours];
        nearest.Fill(double.PositiveInfinity);
        foreach (int other in compared)
        {
            if (together[other] == together[row])
                continue;
            double distance = images.Points.Distance(row, other);
            int place = Neighbours;
            while (place > 0 && distance < nearest[place - 1])
                place--;
            if (place == Neighbours)
                continue;
            nearest[place..^1].CopyTo(nearest[(place + 1)..]);
            nearest[place] = distance;
        }

        double sum = 0;
        foreach (double distance in nearest)
            sum += distance;
        return double.IsFinite(sum) ? Math.Log(Math.Max(sum / Neighbours, 1e-6)) : double.NaN;
    }

    private static double Median(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}
