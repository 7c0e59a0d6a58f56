namespace MlNetTransfer.Numerics;

/// <summary>
/// A covariance matrix moved towards a multiple of the identity by as much as its own noise asks for.
/// </summary>
/// <remarks>
/// Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004. With S = X·Xᵀ/n of p
/// centred features, μ = tr S / p, δ = (‖S‖² - p·μ²) / p and β = min(δ, (Σ ‖x‖⁴/n - ‖S‖²) / (p·n)): (1 - β/δ)·S +
/// β/δ·μ·I.
/// </remarks>
internal static class LedoitWolf
{
    /// <param name="features">Centred values by feature [p][n].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    /// <returns>The lower triangle by rows [i][0..i], and the share β/δ.</returns>
    public static (double[][] Covariance, double Shrinkage) Of(float[][] features, ParallelOptions parallel)
    {
        int p = features.Length,
            n = features[0].Length;
        var covariance = new double[p][];
        var squares = new double[p];
        Parallel.For(
            0,
            p,
            parallel,
            i =>
            {
                covariance[i] = new double[i + 1];
                for (int j = 0; j <= i; j++)
                {
                    double value = covariance[i][j] = Simd.DotWide(features[i], features[j]) / n;
                    squares[i] += (i == j ? 1 : 2) * value * value;
                }
            }
        );
        double norm = squares.Sum(),
            mean = covariance.Sum(row => row[^1]) / p,
            fourth = 0;
        for (int r = 0; r < n; r++)
        {
            double length = 0;
            for (int i = 0; i < p; i++)
                length += (double)features[i][r] * features[i][r];
            fourth += length * length;
        }

        double delta = norm / p - mean * mean,
            beta = Math.Min(delta, (fourth / n - norm) / ((double)p * n));
        double shrinkage = delta > 0 ? Math.Max(0, beta) / delta : 0;
        for (int i = 0; i < p; i++)
        {
            for (int j = 0; j <= i; j++)
                covariance[i][j] *= 1 - shrinkage;
            covariance[i][i] += shrinkage * mean;
        }

        return (covariance, shrinkage);
    }
}
