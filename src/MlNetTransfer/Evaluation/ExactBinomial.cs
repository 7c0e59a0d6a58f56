namespace MlNetTransfer.Evaluation;

/// <summary>
/// What counts of hits say of the share that they come from, exactly: the bounds of Clopper and Pearson (The use of
/// confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26, 1934).
/// </summary>
internal static class ExactBinomial
{
    /// <summary>P(X ≤ count) of X ~ Binomial(n, share).</summary>
    /// <param name="count">Count, in [0, n].</param>
    /// <param name="n">Trials, at least 1.</param>
    /// <param name="share">Probability of each, in [0, 1].</param>
    public static double AtMost(int count, int n, double share)
    {
        if (share <= 0 || count >= n)
            return 1;
        if (share >= 1)
            return 0;
        double odds = Math.Log(share) - Math.Log(1 - share),
            term = n * Math.Log(1 - share),
            sum = 0;
        for (int k = 0; k <= count; k++)
        {
            sum += Math.Exp(term);
            term += Math.Log((double)(n - k) / (k + 1)) + odds;
        }

        return Math.Min(1, sum);
    }

    /// <summary>
    /// The lowest share that the hits do not speak against: the p with P(X ≥ hits | p) = 1 - confidence; 0 without
    /// hits.
    /// </summary>
    /// <param name="hits">Hits, in [0, n].</param>
    /// <param name="n">Trials, at least 1.</param>
    /// <param name="confidence">One-sided coverage, in (0, 1).</param>
    public static double Lowest(int hits, int n, double confidence)
    {
        if (hits == 0)
            return 0;
        double low = 0,
            high = 1;
        // P(X ≥ hits) = P(misses ≤ n - hits) rises with the share.
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            if (AtMost(n - hits, n, 1 - middle) > 1 - confidence)
                high = middle;
            else
                low = middle;
        }

        return low;
    }

    /// <summary>The two-sided interval, each side half of what is left over.</summary>
    /// <param name="hits">Hits, in [0, n].</param>
    /// <param name="n">Trials; without trials the interval is [0, 1].</param>
    /// <param name="confidence">Coverage, in (0, 1).</param>
    public static Interval Both(int hits, int n, double confidence = 0.95)
    {
        if (n == 0)
            return new Interval(0, 1);
        double side = (1 + confidence) / 2;
        return new Interval(Lowest(hits, n, side), 1 - Lowest(n - hits, n, side));
    }
}
