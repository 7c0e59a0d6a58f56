namespace MlNetTransfer.Numerics;

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
