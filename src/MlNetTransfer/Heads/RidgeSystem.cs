using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// min Σ ‖y - W·x - b‖² + α·‖W‖² for any α at O(rows · size): the smaller of X·Xᵀ and Xᵀ·X is brought to tridiagonal
/// form once, A = Q·T·Qᵀ.
/// </summary>
internal sealed class RidgeSystem
{
    // Rows that are carried through Q together, while its reflectors are in the cache.
    private const int Block = 8;
    private readonly float[][] x;
    private readonly double[][] targets,
        rotatedTargets;
    private readonly ParallelOptions parallel;
    private readonly Tridiagonal form;
    private readonly bool dual;
    private readonly int width;

    /// <param name="x">Rows of centred features [rows][width].</param>
    /// <param name="targets">Centred targets [classes][rows].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public RidgeSystem(float[][] x, double[][] targets, ParallelOptions parallel)
    {
        (this.x, this.targets, this.parallel) = (x, targets, parallel);
        width = x[0].Length;
        dual = x.Length <= width;
        MeanSquaredLength = x.Sum(row => Simd.DotWide(row, row)) / x.Length;
        form = Tridiagonal.Of(Products(dual ? x : Transposed()), parallel);
        rotatedTargets = Rotated(form, targets.Select(target => dual ? target : Combination(target)));
    }

    /// <param name="products">Centred products of every two rows, X·Xᵀ, in whatever space [rows][rows];
    /// overwritten.</param>
    /// <param name="targets">Centred targets [classes][rows].</param>
    /// <param name="parallel">Threads to use; the result does not depend on them.</param>
    public RidgeSystem(double[][] products, double[][] targets, ParallelOptions parallel)
    {
        (x, this.targets, this.parallel) = (new float[products.Length][], targets, parallel);
        dual = true;
        MeanSquaredLength = products.Select((row, i) => row[i]).Average();
        form = Tridiagonal.Of(products, parallel);
        rotatedTargets = Rotated(form, targets);
    }

    /// <summary>Σ ‖x‖² / rows.</summary>
    public double MeanSquaredLength { get; }

    /// <summary>Some rows in the coordinates of Q, for <see cref="LeaveOneOut"/>.</summary>
    public double[][] Rotate(int[] rows)
    {
        var rotated = new double[rows.Length][];
        Parallel.For(
            0,
            (rows.Length + Block - 1) / Block,
            parallel,
            block =>
            {
                int end = Math.Min(rows.Length, (block + 1) * Block);
                for (int i = block * Block; i < end; i++)
                    rotated[i] = dual ? Unit(rows[i]) : Array.ConvertAll(x[rows[i]], value => (double)value);
                form.MultiplyQ(rotated.AsSpan(block * Block, end - block * Block));
            }
        );
        return rotated;
    }

    /// <summary>
    /// What the fit without a row says of it, less the mean of the targets [rows × classes]: y - residual / (1 - h), h
    /// the row's own share in its prediction, 1/n of it through b.
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
                    rest = (dual ? alpha * h : 1 - h) - 1.0 / x.Length;
                for (int c = 0; c < targets.Length; c++)
                {
                    double found = Simd.Dot(rotated[i], solved[c]),
                        y = targets[c][rows[i]];
                    scores[i * targets.Length + c] = (float)(
                        y - (dual ? alpha * found : y - found) / Math.Max(rest, 1e-12)
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

    private double[] Unit(int i)
    {
        var unit = new double[x.Length];
        unit[i] = 1;
        return unit;
    }

    private double[][] Products(float[][] vectors)
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

    private float[][] Transposed()
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[x.Length])];
        for (int i = 0; i < x.Length; i++)
        for (int j = 0; j < width; j++)
            columns[j][i] = x[i][j];
        return columns;
    }
}
