using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>Class means of standardised features, and what is left of the rows beside them.</summary>
internal sealed class WithinClasses
{
    private readonly float[][] residuals;
    private readonly int width;
    private readonly ParallelOptions parallel;

    public WithinClasses(FeatureTable train, FeatureScaler scaler, ParallelOptions parallel)
    {
        (width, this.parallel) = (train.Width, parallel);
        Means = [.. Enumerable.Range(0, train.Classes).Select(_ => new double[width])];
        Counts = new int[train.Classes];
        residuals = [.. Enumerable.Range(0, train.Rows).Select(_ => new float[width])];
        for (int i = 0; i < train.Rows; i++)
        {
            scaler.Apply(train.Row(i), residuals[i]);
            Counts[train.Labels[i]]++;
            double[] sum = Means[train.Labels[i]];
            for (int j = 0; j < width; j++)
                sum[j] += residuals[i][j];
        }

        for (int c = 0; c < Means.Length; c++)
        for (int j = 0; j < width; j++)
            Means[c][j] /= Counts[c];
        for (int i = 0; i < train.Rows; i++)
        for (int j = 0; j < width; j++)
            residuals[i][j] = (float)(residuals[i][j] - Means[train.Labels[i]][j]);
    }

    /// <summary>Class means [classes][width].</summary>
    public double[][] Means { get; }

    /// <summary>Rows of each class [classes].</summary>
    public int[] Counts { get; }

    /// <summary>S⁻¹·m of every class mean m [classes][width], S = (1 - s)·W + s·tr W/width·I.</summary>
    public double[][] Solve(double shrinkage)
    {
        int rows = residuals.Length;
        double variance = residuals.Sum(row => Simd.DotWide(row, row)) / rows / width,
            part = (1 - shrinkage) / rows,
            ridge = shrinkage * variance;
        if (variance == 0)
            return [.. Means.Select(mean => Array.ConvertAll(mean, value => value / width))];
        if (rows > width)
            return Primal(part, ridge);
        Cholesky factor = Factor(residuals, part, ridge);
        return [.. Means.Select(mean => Dual(factor, mean, part, ridge))];
    }

    // (ridge·I + part·RᵀR)⁻¹·m = (m - part·Rᵀ·(ridge·I + part·RRᵀ)⁻¹·R·m) / ridge.
    private double[] Dual(Cholesky factor, double[] mean, double part, double ridge)
    {
        double[] image = [.. residuals.Select(row => Product(row, mean))],
            solved = [.. mean];
        factor.Solve(image);
        for (int i = 0; i < residuals.Length; i++)
        for (int j = 0; j < width; j++)
            solved[j] -= part * image[i] * residuals[i][j];
        for (int j = 0; j < width; j++)
            solved[j] /= ridge;
        return solved;
    }

    private double[][] Primal(double part, double ridge)
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[residuals.Length])];
        for (int i = 0; i < residuals.Length; i++)
        for (int j = 0; j < width; j++)
            columns[j][i] = residuals[i][j];
        Cholesky factor = Factor(columns, part, ridge);
        double[][] solved = [.. Means.Select(mean => (double[])mean.Clone())];
        foreach (double[] row in solved)
            factor.Solve(row);
        return solved;
    }

    private Cholesky Factor(float[][] vectors, double part, double ridge)
    {
        var products = new double[vectors.Length][];
        Parallel.For(
            0,
            vectors.Length,
            parallel,
            i =>
            {
                products[i] = new double[i + 1];
                for (int j = 0; j <= i; j++)
                    products[i][j] = part * Simd.DotWide(vectors[i], vectors[j]);
                products[i][i] += ridge;
            }
        );
        return Cholesky.Factor(products, parallel)
            ?? throw new InvalidOperationException(
                "A covariance with at least 1 % of its mean variance on the diagonal is positive definite."
            );
    }

    private static double Product(float[] row, double[] vector)
    {
        double sum = 0;
        for (int j = 0; j < row.Length; j++)
            sum += row[j] * vector[j];
        return sum;
    }
}
