namespace MlNetTransfer.Tests.Imaging.Augmentation;

/// <summary>Distances of distributions, against the critical value for one false alarm in a million.</summary>
internal static class KolmogorovSmirnov
{
    /// <summary>√(-ln(1e-6 / 2) / 2), times 1/√n (Kolmogorov's asymptotic formula).</summary>
    private const double Critical = 2.694;

    /// <param name="draws">The sample.</param>
    /// <param name="cumulative">The distribution it is to have.</param>
    /// <param name="grain">Largest probability of a single value, where the draws are rounded.</param>
    /// <param name="message">What is compared.</param>
    public static void AreEqual(
        IEnumerable<double> draws,
        Func<double, double> cumulative,
        double grain,
        string message
    )
    {
        double[] sorted = [.. draws.Order()];
        double distance = sorted
            .Select(
                (x, i) =>
                    Math.Max(
                        Math.Abs(cumulative(x) - (i / (double)sorted.Length)),
                        Math.Abs(cumulative(x) - ((i + 1.0) / sorted.Length))
                    )
            )
            .Max();
        Assert.IsLessThan((Critical / Math.Sqrt(sorted.Length)) + grain, distance, message);
    }

    /// <summary>Two samples of one distribution, of equal sizes.</summary>
    public static void AreEqual(IEnumerable<double> first, IEnumerable<double> second, string message)
    {
        double[] a = [.. first.Order()],
            b = [.. second.Order()];
        Assert.HasCount(a.Length, b);
        double distance = 0;
        for (int i = 0, j = 0; i < a.Length; )
        {
            double x = a[i];
            while (i < a.Length && a[i] <= x)
                i++;
            while (j < b.Length && b[j] <= x)
                j++;
            distance = Math.Max(distance, Math.Abs(i - j) / (double)a.Length);
        }
        Assert.IsLessThan(Critical * Math.Sqrt(2.0 / a.Length), distance, message);
    }
}
