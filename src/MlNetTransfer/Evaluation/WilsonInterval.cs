using MlNetTransfer.Numerics;

namespace MlNetTransfer.Evaluation;

/// <summary>The score interval of a proportion: E. B. Wilson, Probable Inference, JASA 22, 1927.</summary>
/// <remarks>
/// With p = successes / n and z the (1 + confidence) / 2 quantile of the standard normal:
/// <c>(p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n)</c>. Unlike p ± z·√(p(1-p)/n) it stays within [0, 1] and holds
/// for small n.
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
