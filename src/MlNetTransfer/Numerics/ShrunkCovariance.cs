namespace MlNetTransfer.Numerics;

/// <summary>
/// Mean and covariance of some rows, the covariance moved towards a multiple of the identity by Ledoit and Wolf's rule,
/// as eigenvalues and eigenvectors: any power of it is as cheap as the product with it.
/// </summary>
/// <remarks>
/// With fewer rows than features the eigenvectors come from the rows' products with each other, and all directions that
/// no row has share one eigenvalue, so that the cost is min(rows, width)³.
/// </remarks>
internal sealed class ShrunkCovariance
{
    // Eigenvectors [k][width], the variances along them, their eigenvalues once shrunk, and the eigenvalue of all
    // directions orthogonal to them.
    private readonly float[][] vectors;
    private readonly double[] variances,
        values;
    private readonly double rest;

    private ShrunkCovariance(double[] mean, float[][] vectors, double[] variances, double shrinkage, double average)
    {
        (Mean, this.vectors, this.variances) = (mean, vectors, variances);
        rest = shrinkage * average;
        values = [.. variances.Select(variance => (1 - shrinkage) * variance + rest)];
    }

    /// <summary>Means [width].</summary>
    public double[] Mean { get; }

    /// <summary>Directions that vary, at most one for each feature and each row.</summary>
    public int Rank => values.Length;

    /// <param name="table">Rows side by side [rows × stride].</param>
    /// <param name="rows">Number of rows, at least 2.</param>
    /// <param name="stride">Features of a row.</param>
    /// <param name="start">First of the features looked at.</param>
    /// <param name="width">How many of them.</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public static ShrunkCovariance Of(
        float[] table,
        int rows,
        int stride,
        int start,
        int width,
        ParallelOptions parallel
    )
    {
        var mean = new double[width];
        for (int r = 0; r < rows; r++)
        for (int i = 0; i < width; i++)
            mean[i] += table[(long)r * stride + start + i];
        for (int i = 0; i < width; i++)
            mean[i] /= rows;
        float[][] centred = [.. Enumerable.Range(0, rows).Select(_ => new float[width])];
        for (int r = 0; r < rows; r++)
        for (int i = 0; i < width; i++)
            centred[r][i] = (float)(table[(long)r * stride + start + i] - mean[i]);
        Parallel.For(0, width, parallel, i => RemoveRounding(centred, i, mean[i]));
        bool byRows = rows < width;
        float[][] sides = byRows ? centred : Transposed(centred, width);
        double[][] products = Tridiagonal.Products(sides, parallel);
        foreach (double[] row in products)
        foreach (ref double product in row.AsSpan())
            product /= rows;
        double trace = Enumerable.Range(0, products.Length).Sum(i => products[i][i]),
            norm = products.Sum(row => row.Sum(value => value * value)),
            fourth = centred.Sum(row => Math.Pow(Simd.DotWide(row, row), 2)) / rows;
        double average = trace / width,
            shrinkage = LedoitWolf.Shrinkage(norm, average, fourth, width, rows);
        var eigen = SymmetricEigen.Of(products, parallel);
        int[] kept = [.. Enumerable.Range(0, sides.Length).Where(k => eigen.Values[k] > 1e-10 * trace)];
        Array.Sort(kept, (a, b) => eigen.Values[b].CompareTo(eigen.Values[a]));
        var vectors = new float[kept.Length][];
        Parallel.For(
            0,
            kept.Length,
            parallel,
            k =>
                vectors[k] = byRows
                    ? Combined(centred, eigen.Vectors[kept[k]], width)
                    : Array.ConvertAll(eigen.Vectors[kept[k]], value => (float)value)
        );
        return new ShrunkCovariance(mean, vectors, [.. kept.Select(k => eigen.Values[k])], shrinkage, average);
    }

    /// <summary>target = C^power · row; a direction without variance stays 0 for negative powers.</summary>
    /// <param name="row">A row less a mean [width].</param>
    /// <param name="power">The power.</param>
    /// <param name="target">Receives the product [width].</param>
    public void Multiply(ReadOnlySpan<float> row, double power, Span<float> target)
    {
        double other = rest > 0 ? Math.Pow(rest, power) : 0;
        for (int i = 0; i < row.Length; i++)
            target[i] = (float)(other * row[i]);
        for (int k = 0; k < vectors.Length; k++)
            Simd.AddScaled(
                target,
                (float)((Math.Pow(values[k], power) - other) * Simd.Dot(row, vectors[k])),
                vectors[k]
            );
    }

    /// <summary>The directions that vary most, as many as hold a share of the variance [k][width].</summary>
    /// <param name="share">The share of the variance before it was shrunk, in (0, 1].</param>
    public float[][] Directions(double share)
    {
        double all = variances.Sum(),
            sum = 0;
        int count = 0;
        while (count < variances.Length && sum < share * all)
            sum += variances[count++];
        return vectors[..count];
    }

    /// <summary>A feature that varies by no more than float32's rounding of its mean is constant.</summary>
    private static void RemoveRounding(float[][] rows, int feature, double mean)
    {
        double square = 0;
        foreach (float[] row in rows)
            square += (double)row[feature] * row[feature];
        if (Math.Sqrt(square / rows.Length) > 1e-7 * Math.Abs(mean))
            return;
        foreach (float[] row in rows)
            row[feature] = 0;
    }

    private static float[][] Transposed(float[][] rows, int width)
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[rows.Length])];
        for (int r = 0; r < rows.Length; r++)
        for (int i = 0; i < width; i++)
            columns[i][r] = rows[r][i];
        return columns;
    }

    /// <summary>Σ weight · row, of length 1 [width].</summary>
    private static float[] Combined(float[][] rows, double[] weights, int width)
    {
        var sum = new double[width];
        for (int r = 0; r < rows.Length; r++)
        for (int i = 0; i < width; i++)
            sum[i] += weights[r] * rows[r][i];
        double length = Math.Sqrt(Simd.Dot(sum, sum));
        return Array.ConvertAll(sum, value => (float)(value / length));
    }
}
