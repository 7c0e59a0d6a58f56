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
