using System.Globalization;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Checks;

/// <summary>Images unlike the others of their class.</summary>
/// <remarks>
/// The distance of an image is the mean of 1 - cosine to its five nearest neighbours of its own class, copies of it left
/// out. The limit comes from the data: the median of all distances and <see cref="Deviations"/> times the standard
/// deviation that the distances above the median have, taken from their own median so that outliers do not widen it.
/// </remarks>
internal static class Outliers
{
    /// <summary>Neighbours.</summary>
    public const int Neighbours = 5;

    /// <summary>
    /// Standard deviations above the median. Distances between images have short tails: of clean sets about 1 in 200 is
    /// beyond, not 1 in 25 as of a normal distribution.
    /// </summary>
    public const double Deviations = 2.25;

    /// <summary>Rows of a class that distances are measured to, at most, so that the cost grows with the rows.</summary>
    private const int MostCompared = 2000;

    /// <summary>Standard deviation of a normal distribution whose absolute median is 1.</summary>
    private const double OfMedian = 1.4826;

    /// <summary>The findings, the farthest first.</summary>
    /// <param name="images">The images.</param>
    /// <param name="together">Equal for copies of one image [rows].</param>
    /// <param name="passedOver">Rows that something else explains.</param>
    /// <param name="parallel">Threads and cancellation.</param>
    /// <param name="progress">Told how far it is.</param>
    public static IEnumerable<DataFinding> Find(
        CheckedImages images,
        int[] together,
        IReadOnlySet<int> passedOver,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress
    )
    {
        double[] distances = Distances(images, together, parallel, progress);
        double[] known = [.. distances.Where(double.IsFinite).Order()];
        if (known.Length == 0)
            return [];
        double limit = Limit(known);
        return Enumerable
            .Range(0, images.Count)
            .Where(row => distances[row] > limit && double.IsFinite(distances[row]) && !passedOver.Contains(row))
            .OrderByDescending(row => distances[row])
            .Select(row => new DataFinding(
                FindingKind.Outlier,
                [images.Name(row)],
                distances[row],
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Unlike the other images of '{images.ClassOf(row)}' (distance {distances[row]:f2}, limit {limit:f2}). "
                ) + "If it does not belong there, move it or leave it out; if it does, add more like it."
            )
            {
                Class = images.ClassOf(row),
            });
    }

    /// <summary>The distance from which on an image is an outlier.</summary>
    /// <param name="sorted">Distances, ascending, at least one.</param>
    internal static double Limit(double[] sorted)
    {
        double median = Median(sorted);
        double[] above = [.. sorted.Where(d => d >= median).Select(d => d - median)];
        // Where more than half of all are the same, the least difference would be an outlier.
        return median + Math.Max(Deviations * OfMedian * Median(above), 0.05);
    }

    private static double[] Distances(
        CheckedImages images,
        int[] together,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress
    )
    {
        var distances = new double[images.Count];
        Array.Fill(distances, double.NaN);
        int done = 0;
        foreach (int[] members in RowsByClass.Of(images.Table.Labels))
        {
            int step = (members.Length + MostCompared - 1) / MostCompared;
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
        Span<float> nearest = stackalloc float[Neighbours];
        nearest.Fill(float.NegativeInfinity);
        foreach (int other in compared)
        {
            if (together[other] == together[row])
                continue;
            float cosine = images.Cosine(row, other);
            int place = Neighbours;
            while (place > 0 && cosine > nearest[place - 1])
                place--;
            if (place == Neighbours)
                continue;
            nearest[place..^1].CopyTo(nearest[(place + 1)..]);
            nearest[place] = cosine;
        }

        double sum = 0;
        foreach (float cosine in nearest)
            sum += 1 - cosine;
        return double.IsFinite(sum) ? sum / Neighbours : double.NaN;
    }

    private static double Median(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}
