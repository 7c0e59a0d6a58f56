using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Class means m of standardised features, and the covariance W = Σ w·(x - m)·(x - m)ᵀ / Σ w within the classes, w the
/// rows' weights: what a linear discriminant with one shrinkage is made of.
/// </summary>
internal sealed class WithinClasses
{
    // √w·(x - m) of every row, and 1/√w of its class.
    private readonly float[][] residuals;
    private readonly double[] unweighted;
    private readonly int[] labels;
    private readonly int width;
    private readonly ParallelOptions parallel;

    /// <param name="train">The rows.</param>
    /// <param name="scaler">Standardises them.</param>
    /// <param name="weight">What a row of each class counts [classes], 1 on average; null: 1.</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public WithinClasses(FeatureTable train, FeatureScaler scaler, double[]? weight, ParallelOptions parallel)
    {
        (width, labels, this.parallel) = (train.Width, train.Labels, parallel);
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
        Shares = [.. Counts.Select((count, c) => (weight?[c] ?? 1) * count / train.Rows)];
        unweighted = [.. Counts.Select((_, c) => 1 / Math.Sqrt(weight?[c] ?? 1))];
        if (weight is not null)
            for (int i = 0; i < train.Rows; i++)
                foreach (ref float value in residuals[i].AsSpan())
                    value = (float)(value / unweighted[labels[i]]);
        Variance = residuals.Sum(row => Simd.DotWide(row, row)) / train.Rows / width;
    }

    /// <summary>Class means [classes][width].</summary>
    public double[][] Means { get; }

    /// <summary>Rows of each class [classes].</summary>
    public int[] Counts { get; }

    /// <summary>Share of each class in the sum of the weights [classes].</summary>
    public double[] Shares { get; }

    /// <summary>tr W / width.</summary>
    public double Variance { get; }

    private bool IsPrimal => residuals.Length > width;

    /// <summary>S⁻¹·m of every class mean m [classes][width], S = (1 - s)·W + s·tr W/width·I.</summary>
    public double[][] Solve(double shrinkage)
    {
        int rows = residuals.Length;
        double part = (1 - shrinkage) / rows,
            ridge = shrinkage * Variance;
        if (Variance == 0)
            return [.. Means.Select(mean => Array.ConvertAll(mean, value => value / width))];
        if (IsPrimal)
            return Primal(part, ridge);
        Cholesky factor = Factor(residuals, part, ridge);
        return [.. Means.Select(mean => Dual(factor, mean, part, ridge))];
    }

    /// <summary>
    /// For every shrinkage s the logits [rows × classes] that the discriminant of all other rows gives each of some
    /// rows, with the standardisation, the weights and the tr W of all rows.
    /// </summary>
    /// <remarks>
    /// With r = √w·(x - m), n_c rows in its class, A = (1-s)/(n-1)·Σ r·rᵀ + s·tr W/width·I and
    /// β = (1-s)/(n-1)·n_c/(n_c-1), S without the row is A - β·r·rᵀ, so that
    /// S⁻¹ = A⁻¹ + β/(1 - β·rᵀA⁻¹r)·A⁻¹r·rᵀA⁻¹ (Sherman and Morrison, 1950); the mean of its class moves to
    /// m - (x - m)/(n_c-1). All that is needed of A⁻¹ are rᵀA⁻¹r, rᵀA⁻¹m and mᵀA⁻¹m, from one tridiagonal form for all
    /// s. The weight that leaves is taken as 1 in A.
    /// </remarks>
    /// <param name="rows">Rows of classes with at least two.</param>
    /// <param name="shrinkages">Each in (0, 1).</param>
    public float[][] LeaveOneOut(int[] rows, IReadOnlyList<double> shrinkages)
    {
        Tridiagonal form = Tridiagonal.OfProducts(IsPrimal ? Columns() : residuals, parallel);
        double[][] means =
        [
            .. Means.Select(mean => IsPrimal ? (double[])mean.Clone() : [.. residuals.Select(r => Product(r, mean))]),
        ];
        form.MultiplyQ(means);
        double[][] rotated = form.Rotate(
            rows.Length,
            i => IsPrimal ? Array.ConvertAll(residuals[rows[i]], value => (double)value) : form.Unit(rows[i]),
            parallel
        );
        double[][] plain = [.. Means.Select(a => Means.Select(b => Simd.Dot(a, b)).ToArray())];
        return
        [
            .. shrinkages.Select(s =>
                LeaveOneOut(rows, form, rotated, means, plain, (1 - s) / (residuals.Length - 1), s * Variance)
            ),
        ];
    }

    private float[] LeaveOneOut(
        int[] rows,
        Tridiagonal form,
        double[][] rotated,
        double[][] means,
        double[][] plain,
        double part,
        double ridge
    )
    {
        int classes = Means.Length;
        (double[] Pivots, double[] Lower) factor = form.Factor(ridge / part);
        double[][] solved = [.. means.Select(mean => (double[])mean.Clone())];
        foreach (double[] mean in solved)
            Tridiagonal.Solve(factor, mean);
        double[][] between =
        [
            .. means.Select(
                (a, k) =>
                    solved
                        .Select((b, l) => IsPrimal ? Simd.Dot(a, b) / part : (plain[k][l] - Simd.Dot(a, b)) / ridge)
                        .ToArray()
            ),
        ];
        var logits = new float[rows.Length * classes];
        Parallel.For(
            0,
            rows.Length,
            parallel,
            i =>
            {
                double[] z = [.. rotated[i]];
                Tridiagonal.Solve(factor, z);
                double own = Simd.Dot(rotated[i], z);
                var leaving = new LeftOut(
                    labels[rows[i]],
                    (IsPrimal ? own : 1 - ridge / part * own) / part,
                    [.. solved.Select(mean => Simd.Dot(rotated[i], mean) / part)]
                );
                Logits(leaving, part, between, logits.AsSpan(i * classes, classes));
            }
        );
        return logits;
    }

    private void Logits(LeftOut row, double part, double[][] between, Span<float> logits)
    {
        int n = residuals.Length,
            c = row.Label;
        double beta = part * Counts[c] / (Counts[c] - 1),
            gamma = beta / Math.Max(1 - beta * row.Own, 1e-12),
            step = unweighted[c],
            back = step / (Counts[c] - 1),
            weight = 1 / (step * step),
            image = row.ToMeans[c] + step * row.Own;
        for (int k = 0; k < logits.Length; k++)
        {
            double to = row.ToMeans[k],
                product = between[k][c] + step * to,
                square = between[k][k],
                share = Shares[k] * n;
            if (k == c)
            {
                product -= back * image;
                square += back * (back * row.Own - 2 * to);
                to -= back * row.Own;
                share -= weight;
            }

            product += gamma * to * image;
            square += gamma * to * to;
            logits[k] = (float)(product - 0.5 * square + Math.Log(share / (n - weight)));
        }
    }

    /// <summary>A row that is left out.</summary>
    /// <param name="Label">Its class.</param>
    /// <param name="Own">rᵀA⁻¹r.</param>
    /// <param name="ToMeans">rᵀA⁻¹m of every class mean m.</param>
    private readonly record struct LeftOut(int Label, double Own, double[] ToMeans);

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
        Cholesky factor = Factor(Columns(), part, ridge);
        double[][] solved = [.. Means.Select(mean => (double[])mean.Clone())];
        foreach (double[] row in solved)
            factor.Solve(row);
        return solved;
    }

    private float[][] Columns()
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[residuals.Length])];
        for (int i = 0; i < residuals.Length; i++)
        for (int j = 0; j < width; j++)
            columns[j][i] = residuals[i][j];
        return columns;
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
