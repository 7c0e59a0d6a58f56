namespace MlNetTransfer.Numerics;

/// <summary>A = L·Lᵀ of a symmetric positive definite matrix, in double.</summary>
internal sealed class Cholesky
{
    private readonly double[][] lower;

    private Cholesky(double[][] lower) => this.lower = lower;

    /// <param name="matrix">The lower triangle by rows [i][0..i]; overwritten.</param>
    /// <param name="parallel">Threads to use; the factor does not depend on them.</param>
    /// <returns>The factor; null where a pivot is not above 1e-12 of its diagonal element.</returns>
    public static Cholesky? Factor(double[][] matrix, ParallelOptions parallel)
    {
        int n = matrix.Length;
        for (int j = 0; j < n; j++)
        {
            Span<double> row = matrix[j].AsSpan(0, j);
            double pivot = matrix[j][j] - Simd.Dot(row, row);
            if (!(pivot > 1e-12 * matrix[j][j]))
                return null;
            double root = matrix[j][j] = Math.Sqrt(pivot);
            int column = j;
            void Update(int i) =>
                matrix[i][column] =
                    (matrix[i][column] - Simd.Dot(matrix[i].AsSpan(0, column), matrix[column].AsSpan(0, column)))
                    / root;

            // Below this many multiply-adds, starting threads costs more than it saves.
            if ((long)(n - j) * j > 50_000)
                Parallel.For(j + 1, n, parallel, Update);
            else
                for (int i = j + 1; i < n; i++)
                    Update(i);
        }

        return new Cholesky(matrix);
    }

    /// <summary>Solves A·x = b in place.</summary>
    public void Solve(Span<double> b)
    {
        for (int i = 0; i < b.Length; i++)
            b[i] = (b[i] - Simd.Dot(lower[i].AsSpan(0, i), b[..i])) / lower[i][i];
        for (int i = b.Length - 1; i >= 0; i--)
        {
            b[i] /= lower[i][i];
            for (int j = 0; j < i; j++)
                b[j] -= b[i] * lower[i][j];
        }
    }
}

/// <summary>
/// A symmetric matrix as A = Q·T·Qᵀ, T tridiagonal and Q orthogonal: after that, A + α·I is inverted for any number of
/// α at O(n) per vector.
/// </summary>
/// <remarks>
/// Householder's reduction (Golub and Van Loan, Matrix Computations, 8.3.1), 2n³ operations, the update by one
/// reflector and the product with the next in one pass over the rows. Q is kept as its n - 2 reflectors. For a path of
/// α this does what eigenvectors would do, without iterating for them.
/// </remarks>
internal sealed class Tridiagonal
{
    // Rows that are carried through Q together, while its reflectors are in the cache.
    private const int Block = 8;

    private readonly double[] diagonal,
        below;
    private readonly double[][] reflectors;

    private Tridiagonal(double[] diagonal, double[] below, double[][] reflectors) =>
        (this.diagonal, this.below, this.reflectors) = (diagonal, below, reflectors);

    /// <summary>Size of the matrix.</summary>
    public int Size => diagonal.Length;

    /// <summary>T's diagonal [n].</summary>
    public ReadOnlySpan<double> Diagonal => diagonal;

    /// <summary>T's elements below its diagonal [n - 1].</summary>
    public ReadOnlySpan<double> Below => below;

    /// <summary>tr A.</summary>
    public double Trace => diagonal.Sum();

    /// <param name="matrix">The whole symmetric matrix by rows [n][n]; overwritten.</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public static Tridiagonal Of(double[][] matrix, ParallelOptions parallel)
    {
        int n = matrix.Length;
        double[] diagonal = new double[n],
            below = new double[Math.Max(0, n - 1)],
            product = new double[n];
        var reflectors = new double[Math.Max(0, n - 2)][];
        double[] last = [],
            shift = [];
        for (int k = 0; k < n; k++)
        {
            Update(matrix[k], k, k, last, shift);
            diagonal[k] = matrix[k][k];
            if (k == n - 1)
                break;
            double[] v = Reflector(matrix[k].AsSpan(k + 1), out below[k]);
            if (k < n - 2)
                reflectors[k] = v;
            (double[] u, double[] w) = (last, shift);
            int step = k;
            void Row(int i)
            {
                Update(matrix[i], i, step + 1, u, w);
                product[i] = Simd.Dot(matrix[i].AsSpan(step + 1), v);
            }

            // Below this many multiply-adds, starting threads costs more than it saves.
            if ((long)(n - k) * (n - k) > 40_000)
                Parallel.For(k + 1, n, parallel, Row);
            else
                for (int i = k + 1; i < n; i++)
                    Row(i);
            double[] next = product[(k + 1)..];
            Simd.AddScaled(next, -0.5 * Simd.Dot(next, v), v);
            (last, shift) = (v, next);
        }

        return new Tridiagonal(diagonal, below, reflectors);
    }

    /// <summary>The form of V·Vᵀ.</summary>
    /// <param name="vectors">V [n][any].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public static Tridiagonal OfProducts(float[][] vectors, ParallelOptions parallel) =>
        Of(Products(vectors, parallel), parallel);

    /// <summary>V·Vᵀ [n][n], summed in double.</summary>
    /// <param name="vectors">V [n][any].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public static double[][] Products(float[][] vectors, ParallelOptions parallel)
    {
        double[][] products = [.. vectors.Select(_ => new double[vectors.Length])];
        Parallel.For(
            0,
            vectors.Length,
            parallel,
            i =>
            {
                for (int j = 0; j <= i; j++)
                    products[i][j] = Simd.DotWide(vectors[i], vectors[j]);
            }
        );
        for (int i = 0; i < products.Length; i++)
        for (int j = 0; j < i; j++)
            products[j][i] = products[i][j];
        return products;
    }

    /// <summary>row·Q of each row [rows][n]; the reflectors are read once for several of them.</summary>
    /// <param name="count">Number of rows.</param>
    /// <param name="row">Makes a row [n].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public double[][] Rotate(int count, Func<int, double[]> row, ParallelOptions parallel)
    {
        var rotated = new double[count][];
        Parallel.For(
            0,
            (count + Block - 1) / Block,
            parallel,
            block =>
            {
                int end = Math.Min(count, (block + 1) * Block);
                for (int i = block * Block; i < end; i++)
                    rotated[i] = row(i);
                MultiplyQ(rotated.AsSpan(block * Block, end - block * Block));
            }
        );
        return rotated;
    }

    /// <summary>A vector that is 1 at a place and 0 elsewhere [n].</summary>
    public double[] Unit(int place)
    {
        var unit = new double[Size];
        unit[place] = 1;
        return unit;
    }

    /// <summary>row ← row·Q.</summary>
    public void MultiplyQ(Span<double> row)
    {
        for (int k = 0; k < reflectors.Length; k++)
            Reflect(row[(k + 1)..], reflectors[k]);
    }

    /// <summary>The same for several rows, each reflector read once.</summary>
    public void MultiplyQ(ReadOnlySpan<double[]> rows)
    {
        for (int k = 0; k < reflectors.Length; k++)
            foreach (double[] row in rows)
                Reflect(row.AsSpan(k + 1), reflectors[k]);
    }

    /// <summary>row ← row·Qᵀ.</summary>
    public void MultiplyTransposedQ(Span<double> row)
    {
        for (int k = reflectors.Length - 1; k >= 0; k--)
            Reflect(row[(k + 1)..], reflectors[k]);
    }

    /// <summary>The factors of T + α·I = L·D·Lᵀ; α is such that it is positive definite.</summary>
    public (double[] Pivots, double[] Lower) Factor(double alpha)
    {
        double[] pivots = new double[Size],
            lower = new double[below.Length];
        for (int i = 0; i < Size; i++)
        {
            pivots[i] = diagonal[i] + alpha - (i > 0 ? lower[i - 1] * below[i - 1] : 0);
            if (i < lower.Length)
                lower[i] = below[i] / pivots[i];
        }

        return (pivots, lower);
    }

    /// <summary>b ← (T + α·I)⁻¹·b.</summary>
    public static void Solve((double[] Pivots, double[] Lower) factor, Span<double> b)
    {
        for (int i = 1; i < b.Length; i++)
            b[i] -= factor.Lower[i - 1] * b[i - 1];
        for (int i = b.Length - 1; i >= 0; i--)
            b[i] = b[i] / factor.Pivots[i] - (i + 1 < b.Length ? factor.Lower[i] * b[i + 1] : 0);
    }

    /// <summary>tr (T + α·I)⁻¹: from the last row up, element i is 1/dᵢ + lᵢ²·(element i + 1).</summary>
    public static double TraceOfInverse((double[] Pivots, double[] Lower) factor)
    {
        double trace = 0,
            element = 0;
        for (int i = factor.Pivots.Length - 1; i >= 0; i--)
        {
            double below = i < factor.Lower.Length ? factor.Lower[i] * factor.Lower[i] * element : 0;
            trace += element = 1 / factor.Pivots[i] + below;
        }

        return trace;
    }

    // H = I - v·vᵀ with ‖v‖² = 2 takes x to (norm, 0, …, 0); v = 0 where there is nothing to do.
    private static double[] Reflector(ReadOnlySpan<double> x, out double first)
    {
        double[] v = x.ToArray();
        double largest = 0;
        foreach (double value in v.AsSpan(1))
            largest = Math.Max(largest, Math.Abs(value));
        first = v[0];
        if (largest == 0)
        {
            Array.Clear(v);
            return v;
        }

        largest = Math.Max(largest, Math.Abs(v[0]));
        foreach (ref double value in v.AsSpan())
            value /= largest;
        double norm = Math.Sqrt(Simd.Dot(v, v));
        double sign = v[0] > 0 ? -1 : 1;
        first = sign * norm * largest;
        v[0] -= sign * norm;
        double scale = Math.Sqrt(2 / Simd.Dot(v, v));
        foreach (ref double value in v.AsSpan())
            value *= scale;
        return v;
    }

    private static void Reflect(Span<double> row, double[] v) => Simd.AddScaled(row, -Simd.Dot(row, v), v);

    // A ← A - v·wᵀ - w·vᵀ in one row; v and w belong to the rows from (n - length) on.
    private static void Update(double[] row, int i, int from, double[] v, double[] w)
    {
        if (v.Length == 0)
            return;
        int start = row.Length - v.Length;
        Span<double> part = row.AsSpan(from);
        Simd.AddScaled(part, -v[i - start], w.AsSpan(from - start));
        Simd.AddScaled(part, -w[i - start], v.AsSpan(from - start));
    }
}

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
        double mean = covariance.Sum(row => row[^1]) / p,
            fourth = 0;
        for (int r = 0; r < n; r++)
        {
            double length = 0;
            for (int i = 0; i < p; i++)
                length += (double)features[i][r] * features[i][r];
            fourth += length * length;
        }

        double shrinkage = Shrinkage(squares.Sum(), mean, fourth / n, p, n);
        for (int i = 0; i < p; i++)
        {
            for (int j = 0; j <= i; j++)
                covariance[i][j] *= 1 - shrinkage;
            covariance[i][i] += shrinkage * mean;
        }

        return (covariance, shrinkage);
    }

    /// <summary>The share β/δ.</summary>
    /// <param name="norm">‖S‖², the sum of the squares of S.</param>
    /// <param name="mean">μ.</param>
    /// <param name="fourth">Σ ‖x‖⁴/n.</param>
    /// <param name="p">Features.</param>
    /// <param name="n">Rows.</param>
    public static double Shrinkage(double norm, double mean, double fourth, int p, int n)
    {
        double delta = norm / p - mean * mean,
            beta = Math.Min(delta, (fourth - norm) / ((double)p * n));
        return delta > 0 ? Math.Max(0, beta) / delta : 0;
    }
}
