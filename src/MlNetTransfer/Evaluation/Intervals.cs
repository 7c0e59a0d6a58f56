namespace MlNetTransfer.Evaluation;

/// <summary>A closed interval.</summary>
/// <param name="Low">Lower end, included.</param>
/// <param name="High">Upper end, included.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>The score interval of a proportion: E. B. Wilson, Probable Inference, JASA 22, 1927.</summary>
/// <remarks>
/// With p = successes / n and z the (1 + confidence) / 2 quantile of the standard normal: <c>(p + z²/2n ± z·√(p(1-p)/n
/// + z²/4n²)) / (1 + z²/n)</c>. Unlike p ± z·√(p(1-p)/n) it stays within [0, 1] and holds for small n.
/// </remarks>
public static class WilsonInterval
{
    /// <summary>The interval of successes out of n trials.</summary>
    /// <param name="successes">Successes, in [0, n].</param>
    /// <param name="n">Trials, at least 0; without trials the interval is [0, 1].</param>
    /// <param name="confidence">Coverage, in [0.5, 0.999999]. Default 0.95.</param>
    /// <returns>An interval within [0, 1] that holds successes / n.</returns>
    public static Interval Of(int successes, int n, double confidence = 0.95)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        Check.InRange(successes, 0, n, nameof(successes));
        Check.InRange(confidence, 0.5, 0.999999, nameof(confidence));
        if (n == 0)
            return new Interval(0, 1);
        double p = (double)successes / n,
            z = Normal.Quantile((1 + confidence) / 2),
            z2 = z * z / n;
        double centre = p + z2 / 2,
            half = z * Math.Sqrt(p * (1 - p) / n + z2 / (4 * n));
        // At 0 and n the exact ends are 0 and 1; rounding must not move them.
        return new Interval(
            successes == 0 ? 0 : (centre - half) / (1 + z2),
            successes == n ? 1 : (centre + half) / (1 + z2)
        );
    }
}

/// <summary>
/// How two classifiers differ on the same rows: only rows that one gets right and the other wrong tell them apart.
/// </summary>
/// <remarks>
/// Interval and test are the score method for paired proportions of T. Tango, Equivalence test and confidence interval
/// for the difference in proportions for the paired-sample design, Statistics in Medicine 17, 1998: with b gained, c
/// lost rows of n and δ the difference under test, <c>z(δ) = (b - c - nδ) / √(n·(2q + δ(1 - δ)))</c>, where q is the
/// share of lost rows that is likeliest under δ. Unlike intervals of each accuracy alone it uses that both saw the same
/// rows, and unlike Wald's it holds for small n and few differences.
/// </remarks>
/// <param name="Gained">Rows that the second gets right and the first wrong.</param>
/// <param name="Lost">Rows that the first gets right and the second wrong.</param>
/// <param name="Rows">All rows.</param>
public readonly record struct PairedDifference(int Gained, int Lost, int Rows)
{
    /// <summary>Accuracy of the second less that of the first, in [-1, 1]; 0 without rows.</summary>
    public double Value => Rows == 0 ? 0 : (double)(Gained - Lost) / Rows;

    /// <summary>Counts the rows.</summary>
    /// <param name="first">Whether the first classifier is right [rows].</param>
    /// <param name="second">Whether the second classifier is right [rows].</param>
    public static PairedDifference Of(ReadOnlySpan<bool> first, ReadOnlySpan<bool> second)
    {
        if (first.Length != second.Length)
            throw new ArgumentException(
                $"{second.Length} rows cannot be compared with {first.Length}.",
                nameof(second)
            );
        int gained = 0,
            lost = 0;
        for (int i = 0; i < first.Length; i++)
        {
            if (second[i] && !first[i])
                gained++;
            if (first[i] && !second[i])
                lost++;
        }

        return new PairedDifference(gained, lost, first.Length);
    }

    /// <summary>The differences that the rows do not speak against; [-1, 1] without rows.</summary>
    /// <param name="confidence">Coverage, in [0.5, 0.999999]. Default 0.95.</param>
    public Interval Interval(double confidence = 0.95)
    {
        double z = Normal.Quantile((1 + Check.InRange(confidence, 0.5, 0.999999)) / 2);
        return Rows == 0 ? new Interval(-1, 1) : new Interval(Root(z, -1, Value), Root(-z, Value, 1));
    }

    /// <summary>
    /// The standard normal statistic of the hypothesis that the difference is δ: above 1.645 the rows say, at 5 % from
    /// one side, that it is greater; below -1.645, that it is less. 0 without rows.
    /// </summary>
    /// <param name="difference">δ, in (-1, 1).</param>
    public double Score(double difference)
    {
        double delta = difference,
            n = Rows,
            above = Gained - Lost - n * delta;
        if (above == 0)
            return 0;
        double a = 2 * n,
            b = -Gained - Lost + (2 * n - Gained + Lost) * delta,
            c = -Lost * delta * (1 - delta);
        double share = (Math.Sqrt(Math.Max(0, b * b - 4 * a * c)) - b) / (2 * a);
        return above / Math.Sqrt(Math.Max(n * (2 * share + delta * (1 - delta)), double.Epsilon));
    }

    /// <summary>The δ at which the statistic, which falls with δ, is z.</summary>
    private double Root(double z, double low, double high)
    {
        for (int i = 0; i < 60; i++)
        {
            double middle = (low + high) / 2;
            if (Score(middle) > z)
                low = middle;
            else
                high = middle;
        }

        return (low + high) / 2;
    }
}

/// <summary>The standard normal distribution.</summary>
internal static class Normal
{
    /// <summary>
    /// P(Z ≤ x), to about 1e-15 for |x| ≤ 7: ½ + φ(x)·Σ x^(2i+1) / (1·3·…·(2i+1)) (Abramowitz and Stegun 26.2.11).
    /// </summary>
    public static double Cumulative(double x)
    {
        double term = x,
            sum = x;
        for (int odd = 3; Math.Abs(term) > 1e-17 * Math.Abs(sum); odd += 2)
            sum += term *= x * x / odd;
        return 0.5 + sum * Density(x);
    }

    /// <summary>
    /// The x with P(Z ≤ x) = probability, by Newton's method from 0; probability in [1e-9, 1 - 1e-9].
    /// </summary>
    public static double Quantile(double probability)
    {
        double tail = Math.Min(probability, 1 - probability),
            x = 0;
        // On the half-line below 0 the cumulative is convex, so that Newton's steps go down to the root without passing
        // it twice.
        for (int i = 0; i < 100; i++)
        {
            double step = (Cumulative(x) - tail) / Density(x);
            x -= step;
            if (Math.Abs(step) < 1e-14 * Math.Max(1, Math.Abs(x)))
                break;
        }

        return probability < 0.5 ? x : -x;
    }

    private static double Density(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);
}
