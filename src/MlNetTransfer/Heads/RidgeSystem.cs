using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>What rows count in ridge regression: weighted least squares on rows multiplied by the root of it.</summary>
internal sealed class RidgeWeights
{
    private readonly double[]? counts;

    /// <param name="train">The rows.</param>
    /// <param name="weights">What is asked for.</param>
    public RidgeWeights(FeatureTable train, ClassWeights weights)
    {
        counts = ClassWeighting.OfRows(train, weights);
        Roots = counts is null ? null : Array.ConvertAll(counts, Math.Sqrt);
        Shares = new double[train.Classes];
        for (int row = 0; row < train.Rows; row++)
            Shares[train.Labels[row]] += Of(row) / train.Rows;
    }

    /// <summary>√w of every row [rows]; null where every row counts 1.</summary>
    public double[]? Roots { get; }

    /// <summary>Share of each class in the sum of the weights [classes].</summary>
    public double[] Shares { get; }

    /// <summary>What a row counts.</summary>
    public double Of(int row) => counts?[row] ?? 1;

    /// <summary>One-hot labels less the class's share, times √w [classes][rows].</summary>
    public double[][] Targets(FeatureTable train) =>
        [
            .. Shares.Select(
                (share, c) =>
                    train.Labels.Select((label, i) => ((label == c ? 1 : 0) - share) * (Roots?[i] ?? 1)).ToArray()
            ),
        ];

    /// <summary>
    /// Moves centred rows to their weighted mean and multiplies them by √w; returns that mean [width], or nothing where
    /// every row counts 1.
    /// </summary>
    public double[] Centre(float[][] rows)
    {
        if (Roots is null)
            return [];
        var centre = new double[rows[0].Length];
        for (int i = 0; i < rows.Length; i++)
        for (int j = 0; j < centre.Length; j++)
            centre[j] += Roots[i] * Roots[i] * rows[i][j] / rows.Length;
        for (int i = 0; i < rows.Length; i++)
        for (int j = 0; j < centre.Length; j++)
            rows[i][j] = (float)(Roots[i] * (rows[i][j] - centre[j]));
        return centre;
    }

    /// <summary>The kernel around the weighted mean of the rows in its space, times √w of both rows.</summary>
    public double[][] Centre(double[][] kernel)
    {
        double[] share = [.. kernel.Select((_, i) => (Roots is null ? 1 : Roots[i] * Roots[i]) / kernel.Length)],
            means = [.. kernel.Select(row => Simd.Dot(row, share))];
        double mean = Simd.Dot(means, share);
        return
        [
            .. kernel.Select(
                (row, i) =>
                    row.Select(
                            (value, j) =>
                                (value - means[i] - means[j] + mean) * (Roots is null ? 1 : Roots[i] * Roots[j])
                        )
                        .ToArray()
            ),
        ];
    }
}

/// <summary>
/// min Σ ‖y - W·x - b‖² + α·‖W‖² for any α at O(rows · size): the smaller of X·Xᵀ and Xᵀ·X is brought to tridiagonal
/// form once, A = Q·T·Qᵀ.
/// </summary>
internal sealed class RidgeSystem
{
    private readonly float[][] x;
    private readonly double[][] targets,
        rotatedTargets;
    private readonly double[]? roots;
    private readonly ParallelOptions parallel;
    private readonly Tridiagonal form;
    private readonly bool dual;
    private readonly int width;

    /// <param name="x">Rows of centred features [rows][width].</param>
    /// <param name="targets">Centred targets [classes][rows].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    /// <param name="roots">What rows and targets were multiplied by [rows]; null: 1.</param>
    public RidgeSystem(float[][] x, double[][] targets, ParallelOptions parallel, double[]? roots = null)
    {
        (this.x, this.targets, this.parallel, this.roots) = (x, targets, parallel, roots);
        width = x[0].Length;
        dual = x.Length <= width;
        MeanSquaredLength = x.Sum(row => Simd.DotWide(row, row)) / x.Length;
        form = Tridiagonal.OfProducts(dual ? x : Transposed(), parallel);
        rotatedTargets = Rotated(form, targets.Select(target => dual ? target : Combination(target)));
    }

    /// <param name="products">Centred products of every two rows, X·Xᵀ, in whatever space [rows][rows];
    /// overwritten.</param>
    /// <param name="targets">Centred targets [classes][rows].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    /// <param name="roots">What rows and targets were multiplied by [rows]; null: 1.</param>
    public RidgeSystem(double[][] products, double[][] targets, ParallelOptions parallel, double[]? roots = null)
    {
        (x, this.targets, this.parallel, this.roots) = (new float[products.Length][], targets, parallel, roots);
        dual = true;
        MeanSquaredLength = products.Select((row, i) => row[i]).Average();
        form = Tridiagonal.Of(products, parallel);
        rotatedTargets = Rotated(form, targets);
    }

    /// <summary>Σ ‖x‖² / rows.</summary>
    public double MeanSquaredLength { get; }

    /// <summary>Some rows in the coordinates of Q, for <see cref="LeaveOneOut"/>.</summary>
    public double[][] Rotate(int[] rows) =>
        form.Rotate(
            rows.Length,
            i => dual ? form.Unit(rows[i]) : Array.ConvertAll(x[rows[i]], value => (double)value),
            parallel
        );

    /// <summary>
    /// What the fit without a row says of it, less the mean of the targets [rows × classes]: y - residual / (1 - h), h
    /// the row's own share in its prediction, w/n of it through b.
    /// </summary>
    public float[] LeaveOneOut(int[] rows, double[][] rotated, double alpha)
    {
        (double[] Pivots, double[] Lower) factor = form.Factor(alpha);
        double[][] solved = Solved(factor);
        var scores = new float[rows.Length * targets.Length];
        Parallel.For(
            0,
            rows.Length,
            parallel,
            i =>
            {
                double[] z = [.. rotated[i]];
                Tridiagonal.Solve(factor, z);
                double h = Simd.Dot(rotated[i], z),
                    root = roots?[rows[i]] ?? 1,
                    rest = (dual ? alpha * h : 1 - h) - root * root / x.Length;
                for (int c = 0; c < targets.Length; c++)
                {
                    double found = Simd.Dot(rotated[i], solved[c]),
                        y = targets[c][rows[i]];
                    scores[i * targets.Length + c] = (float)(
                        (y - (dual ? alpha * found : y - found) / Math.Max(rest, 1e-12)) / root
                    );
                }
            }
        );
        return scores;
    }

    /// <summary>W [classes][width] at a penalty.</summary>
    public double[][] Weights(double alpha) =>
        dual ? [.. Coefficients(alpha).Select(Combination)] : Coefficients(alpha);

    /// <summary>
    /// In the dual, what every row counts in W [classes][rows] at a penalty: W = Σ coefficient · row.
    /// </summary>
    public double[][] Coefficients(double alpha)
    {
        double[][] solved = Solved(form.Factor(alpha));
        foreach (double[] row in solved)
            form.MultiplyTransposedQ(row);
        return solved;
    }

    private static double[][] Rotated(Tridiagonal form, IEnumerable<double[]> targets)
    {
        double[][] rotated = [.. targets.Select(target => (double[])target.Clone())];
        foreach (double[] target in rotated)
            form.MultiplyQ(target);
        return rotated;
    }

    private double[][] Solved((double[] Pivots, double[] Lower) factor)
    {
        double[][] solved = [.. rotatedTargets.Select(target => (double[])target.Clone())];
        foreach (double[] row in solved)
            Tridiagonal.Solve(factor, row);
        return solved;
    }

    // Σ factor · row.
    private double[] Combination(double[] factors)
    {
        var sum = new double[width];
        for (int i = 0; i < x.Length; i++)
        for (int j = 0; j < width; j++)
            sum[j] += factors[i] * x[i][j];
        return sum;
    }

    private float[][] Transposed()
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[x.Length])];
        for (int i = 0; i < x.Length; i++)
        for (int j = 0; j < width; j++)
            columns[j][i] = x[i][j];
        return columns;
    }
}
