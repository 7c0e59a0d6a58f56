using MlNetTransfer.Features;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>
/// Heads as a textbook has them, in plain loops on one thread: what the heads of the product are measured against.
/// </summary>
internal static class Textbook
{
    /// <summary>
    /// Softmax regression by Nesterov's accelerated gradient descent with a fixed step, until no component of the
    /// gradient is larger than a share of the largest one at the start.
    /// </summary>
    /// <returns>Weights [classes][width + 1], the bias last, of the standardised features.</returns>
    public static double[][] Softmax(double[][] rows, int[] labels, int classes, double l2, double tolerance)
    {
        int width = rows[0].Length;
        double[][] weights = Matrix(classes, width + 1),
            ahead = Matrix(classes, width + 1),
            gradient = Matrix(classes, width + 1);
        // The Hessian is at most half the largest eigenvalue of XᵀX / rows, the bias's column included.
        double step = 1 / (0.5 * LargestEigenvalue(rows) + l2),
            first = 0;
        for (int pass = 0; pass < 5000; pass++)
        {
            Gradient(rows, labels, ahead, l2, gradient);
            double largest = gradient.Max(row => row.Max(Math.Abs));
            first = Math.Max(first, largest);
            if (largest <= tolerance * first)
                return ahead;
            double momentum = pass / (pass + 3.0);
            for (int c = 0; c < classes; c++)
            for (int j = 0; j <= width; j++)
            {
                double next = ahead[c][j] - step * gradient[c][j];
                ahead[c][j] = next + momentum * (next - weights[c][j]);
                weights[c][j] = next;
            }
        }

        throw new InvalidOperationException("The textbook's softmax did not converge.");
    }

    /// <summary>Probabilities [rows × classes] of a softmax fit.</summary>
    public static double[] Probabilities(double[][] rows, double[][] weights) =>
        [.. rows.SelectMany(row => Probabilities(row, weights))];

    /// <summary>Ridge regression on one-hot targets by the normal equations of the rows (the dual).</summary>
    /// <returns>What every row counts [classes][rows].</returns>
    public static double[][] Ridge(double[][] rows, int[] labels, int classes, double penalty) =>
        Solve(Gram(rows, Dot), labels, classes, penalty);

    /// <summary>Kernel ridge regression with a Gaussian kernel of the mean squared distance.</summary>
    /// <returns>What every row counts [classes][rows].</returns>
    public static double[][] KernelRidge(double[][] rows, int[] labels, int classes, double penalty)
    {
        double[][] distances = Gram(rows, SquaredDistance);
        double mean = distances.Average(row => row.Average());
        foreach (double[] row in distances)
            for (int j = 0; j < row.Length; j++)
                row[j] = Math.Exp(-row[j] / mean);
        return Solve(distances, labels, classes, penalty);
    }

    /// <summary>Rows less their mean, divided by their standard deviation, feature by feature.</summary>
    public static double[][] Standardised(FeatureTable table, Func<double, double>? map = null)
    {
        double[][] rows =
        [
            .. Enumerable
                .Range(0, table.Rows)
                .Select(r => Array.ConvertAll(table.Row(r).ToArray(), v => map?.Invoke(v) ?? v)),
        ];
        for (int j = 0; j < table.Width; j++)
        {
            double mean = rows.Average(r => r[j]),
                deviation = Math.Sqrt(rows.Average(r => (r[j] - mean) * (r[j] - mean)));
            foreach (double[] row in rows)
                row[j] = (row[j] - mean) / deviation;
        }

        return rows;
    }

    private static void Gradient(double[][] rows, int[] labels, double[][] weights, double l2, double[][] gradient)
    {
        int classes = weights.Length,
            width = rows[0].Length;
        for (int c = 0; c < classes; c++)
        for (int j = 0; j <= width; j++)
            gradient[c][j] = j < width ? l2 * weights[c][j] : 0;
        for (int r = 0; r < rows.Length; r++)
        {
            double[] p = Probabilities(rows[r], weights);
            for (int c = 0; c < classes; c++)
            {
                double error = (p[c] - (labels[r] == c ? 1 : 0)) / rows.Length;
                for (int j = 0; j < width; j++)
                    gradient[c][j] += error * rows[r][j];
                gradient[c][width] += error;
            }
        }
    }

    private static double[] Probabilities(double[] row, double[][] weights)
    {
        double[] p = new double[weights.Length];
        for (int c = 0; c < p.Length; c++)
            p[c] = Dot(row, weights[c]) + weights[c][row.Length];
        double top = p.Max(),
            sum = 0;
        for (int c = 0; c < p.Length; c++)
            sum += p[c] = Math.Exp(p[c] - top);
        for (int c = 0; c < p.Length; c++)
            p[c] /= sum;
        return p;
    }

    /// <summary>Of XᵀX / rows, by the power method; a little more, to be on the safe side.</summary>
    private static double LargestEigenvalue(double[][] rows)
    {
        double[] v = new double[rows[0].Length];
        Array.Fill(v, 1);
        double found = 1;
        for (int pass = 0; pass < 30; pass++)
        {
            double[] next = new double[v.Length];
            foreach (double[] row in rows)
            {
                double along = Dot(row, v) / rows.Length;
                for (int j = 0; j < v.Length; j++)
                    next[j] += along * row[j];
            }

            double length = Math.Sqrt(Dot(next, next));
            found = length;
            for (int j = 0; j < v.Length; j++)
                v[j] = next[j] / length;
        }

        return Math.Max(1, 1.1 * found);
    }

    /// <summary>(K + penalty · mean of K's diagonal · I) a = one-hot - share, by Cholesky.</summary>
    private static double[][] Solve(double[][] k, int[] labels, int classes, double penalty)
    {
        int n = k.Length;
        double ridge = penalty * Enumerable.Range(0, n).Average(i => k[i][i]);
        for (int i = 0; i < n; i++)
        {
            k[i][i] += ridge;
            for (int j = 0; j <= i; j++)
            {
                double sum = k[i][j];
                for (int l = 0; l < j; l++)
                    sum -= k[i][l] * k[j][l];
                k[i][j] = i == j ? Math.Sqrt(sum) : sum / k[j][j];
            }
        }

        double[][] solved = Matrix(classes, n);
        for (int c = 0; c < classes; c++)
        {
            double[] a = solved[c];
            double share = labels.Count(l => l == c) / (double)n;
            for (int i = 0; i < n; i++)
            {
                a[i] = (labels[i] == c ? 1 : 0) - share;
                for (int l = 0; l < i; l++)
                    a[i] -= k[i][l] * a[l];
                a[i] /= k[i][i];
            }

            for (int i = n - 1; i >= 0; i--)
            {
                for (int l = i + 1; l < n; l++)
                    a[i] -= k[l][i] * a[l];
                a[i] /= k[i][i];
            }
        }

        return solved;
    }

    private static double[][] Gram(double[][] rows, Func<double[], double[], double> of)
    {
        double[][] gram = Matrix(rows.Length, rows.Length);
        for (int i = 0; i < rows.Length; i++)
        for (int j = 0; j <= i; j++)
            gram[i][j] = gram[j][i] = of(rows[i], rows[j]);
        return gram;
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (int j = 0; j < a.Length; j++)
            sum += a[j] * b[j];
        return sum;
    }

    private static double SquaredDistance(double[] a, double[] b)
    {
        double sum = 0;
        for (int j = 0; j < a.Length; j++)
            sum += (a[j] - b[j]) * (a[j] - b[j]);
        return sum;
    }

    private static double[][] Matrix(int rows, int columns) =>
        [.. Enumerable.Range(0, rows).Select(_ => new double[columns])];
}
