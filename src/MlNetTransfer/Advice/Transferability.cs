using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Advice;

/// <summary>
/// Estimates, from features or source predictions alone, of how well a backbone will serve a task: nothing is trained
/// or held out. Higher is better; a value means something only beside that of another backbone or tap on the same rows.
/// </summary>
/// <remarks>
/// On a public comparison of such estimates a fixed list of good backbones ordered models better than any of them, and
/// on ours always taking the default one costs least: see docs/decisions/023-advice.md. They are for many backbones and
/// little time.
/// </remarks>
public static class Transferability
{
    private const int MostSteps = 100;
    private const double Settled = 1e-6;

    /// <summary>
    /// LogME: mean over the classes of the log evidence, per row (nats), of a Bayesian linear regression of the class
    /// on the features, maximised over the two precisions by MacKay's fixed point.
    /// </summary>
    /// <remarks>
    /// You, Liu, Wang and Long, LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML 2021.
    /// With λ = α/β all that is needed of (FᵀF + λI)⁻¹ or (FFᵀ + λI)⁻¹, whichever is smaller, comes from one
    /// tridiagonal form. O(rows · width · min(rows, width)).
    /// </remarks>
    /// <param name="table">Labelled rows, at least two.</param>
    /// <param name="workers">Threads at most; the result does not depend on it.</param>
    /// <exception cref="ArgumentException">There are fewer than two rows.</exception>
    public static double LogMe(FeatureTable table, int workers = 1)
    {
        RequireRows(table, 2);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = workers };
        bool dual = table.Rows <= table.Width;
        float[][] vectors = dual ? RowsOf(table) : ColumnsOf(table);
        Tridiagonal form = Tridiagonal.OfProducts(vectors, parallel);
        int[] counts = table.RowsPerClass();
        return Enumerable
            .Range(0, table.Classes)
            .Where(label => counts[label] > 0)
            .Average(label => Evidence(table, form, vectors, label, counts[label], dual));
    }

    /// <summary>
    /// The regularised H-score: tr(Σ⁻¹·(1 - s)·B), B the covariance of the class means and Σ that of all rows, shrunk
    /// by s, Ledoit and Wolf's share. In [0, classes - 1].
    /// </summary>
    /// <remarks>
    /// Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP 2019, with the
    /// shrinkage of Ibrahim, Ponomareva and Mazumder, Newer is not always better, ECML PKDD 2022. O(rows · width² +
    /// width³ / 6).
    /// </remarks>
    /// <param name="table">Labelled rows, at least two.</param>
    /// <param name="workers">Threads at most; the result does not depend on it.</param>
    /// <exception cref="ArgumentException">There are fewer than two rows.</exception>
    public static double HScore(FeatureTable table, int workers = 1)
    {
        RequireRows(table, 2);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = workers };
        float[][] columns = ColumnsOf(table);
        var means = new double[table.Classes][];
        int[] counts = table.RowsPerClass();
        for (int c = 0; c < means.Length; c++)
            means[c] = new double[table.Width];
        for (int j = 0; j < table.Width; j++)
        {
            double mean = columns[j].Average(value => (double)value);
            for (int i = 0; i < table.Rows; i++)
            {
                columns[j][i] = (float)(columns[j][i] - mean);
                means[table.Labels[i]][j] += columns[j][i];
            }
        }

        (double[][] covariance, double shrinkage) = LedoitWolf.Of(columns, parallel);
        double trace = covariance.Sum(row => row[^1]);
        if (trace == 0)
            return 0;
        // A millionth of the mean variance keeps features that depend on each other from having no inverse.
        foreach (double[] row in covariance)
            row[^1] += 1e-6 * trace / table.Width;
        Cholesky? factor = Cholesky.Factor(covariance, parallel);
        if (factor is null)
            return 0;
        double score = 0;
        for (int c = 0; c < means.Length; c++)
        {
            if (counts[c] == 0)
                continue;
            for (int j = 0; j < table.Width; j++)
                means[c][j] /= counts[c];
            double[] solved = [.. means[c]];
            factor.Solve(solved);
            score += (double)counts[c] / table.Rows * Simd.Dot(means[c], solved);
        }

        return (1 - shrinkage) * score;
    }

    /// <summary>
    /// Share of the rows whose nearest other row, by the cosine of the centred features, is of the same class: accuracy
    /// of one nearest neighbour, leaving one out. In [0, 1].
    /// </summary>
    /// <remarks>
    /// Renggli et al., Which Model to Transfer? Finding the Needle in the Growing Haystack, CVPR 2022, where such
    /// proxies, given the task, choose better than estimates from a model's past. Of equally near rows the first
    /// counts. O(rows² · width).
    /// </remarks>
    /// <param name="table">Labelled rows, at least two.</param>
    /// <param name="workers">Threads at most; the result does not depend on it.</param>
    /// <exception cref="ArgumentException">There are fewer than two rows.</exception>
    public static double NearestNeighbour(FeatureTable table, int workers = 1)
    {
        RequireRows(table, 2);
        float[][] rows = RowsOf(table);
        for (int j = 0; j < table.Width; j++)
        {
            float mean = (float)rows.Average(row => (double)row[j]);
            foreach (float[] row in rows)
                row[j] -= mean;
        }

        float[] lengths = [.. rows.Select(row => MathF.Max(MathF.Sqrt(Simd.Dot(row, row)), 1e-12f))];
        var right = new bool[rows.Length];
        Parallel.For(
            0,
            rows.Length,
            new ParallelOptions { MaxDegreeOfParallelism = workers },
            i =>
            {
                (int nearest, float cosine) = (-1, float.NegativeInfinity);
                for (int k = 0; k < rows.Length; k++)
                    if (k != i && Simd.Dot(rows[i], rows[k]) / lengths[k] is var own && own > cosine)
                        (nearest, cosine) = (k, own);
                right[i] = table.Labels[i] == table.Labels[nearest];
            }
        );
        return right.Average(hit => hit ? 1.0 : 0);
    }

    /// <summary>
    /// LEEP: mean log-likelihood (nats, at most 0) of the labels under Σ P(label | source class)·P(source class | row).
    /// </summary>
    /// <remarks>
    /// Nguyen, Hassner, Seeger and Archambeau, LEEP: A New Measure to Evaluate Transferability of Learned
    /// Representations, ICML 2020.
    /// </remarks>
    /// <param name="labels">Labels [rows], in [0, classes).</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="source">What the source's own head says [rows × source classes], each row summing to 1.</param>
    /// <param name="sourceClasses">Number of source classes, at least 1.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static double Leep(ReadOnlySpan<int> labels, int classes, ReadOnlySpan<float> source, int sourceClasses)
    {
        RequireLengths(labels.Length, source.Length, sourceClasses);
        var joint = new double[sourceClasses, classes];
        var marginal = new double[sourceClasses];
        for (int i = 0; i < labels.Length; i++)
        for (int z = 0; z < sourceClasses; z++)
        {
            joint[z, labels[i]] += source[i * sourceClasses + z];
            marginal[z] += source[i * sourceClasses + z];
        }

        double sum = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            double likelihood = 0;
            for (int z = 0; z < sourceClasses; z++)
                if (marginal[z] > 0)
                    likelihood += joint[z, labels[i]] / marginal[z] * source[i * sourceClasses + z];
            sum += Math.Log(Math.Max(likelihood, 1e-300));
        }

        return sum / labels.Length;
    }

    /// <summary>
    /// Negative conditional entropy -H(label | source class) in nats, at most 0, the source class being the likeliest
    /// one.
    /// </summary>
    /// <remarks>
    /// Tran, Nguyen and Hassner, Transferability and Hardness of Supervised Classification Tasks, ICCV 2019.
    /// </remarks>
    /// <param name="labels">Labels [rows], in [0, classes).</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="source">What the source's own head says [rows × source classes].</param>
    /// <param name="sourceClasses">Number of source classes, at least 1.</param>
    /// <exception cref="ArgumentException">The lengths do not agree.</exception>
    public static double NegativeConditionalEntropy(
        ReadOnlySpan<int> labels,
        int classes,
        ReadOnlySpan<float> source,
        int sourceClasses
    )
    {
        RequireLengths(labels.Length, source.Length, sourceClasses);
        var joint = new int[sourceClasses, classes];
        var marginal = new int[sourceClasses];
        for (int i = 0; i < labels.Length; i++)
        {
            ReadOnlySpan<float> row = source.Slice(i * sourceClasses, sourceClasses);
            int likeliest = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(row);
            joint[likeliest, labels[i]]++;
            marginal[likeliest]++;
        }

        double sum = 0;
        for (int z = 0; z < sourceClasses; z++)
        for (int y = 0; y < classes; y++)
            if (joint[z, y] > 0)
                sum += joint[z, y] * Math.Log((double)joint[z, y] / marginal[z]);
        return sum / labels.Length;
    }

    /// <summary>Log evidence per row of the regression of one class.</summary>
    private static double Evidence(
        FeatureTable table,
        Tridiagonal form,
        float[][] vectors,
        int label,
        int count,
        bool dual
    )
    {
        int n = table.Rows,
            width = table.Width;
        double[] target = [.. table.Labels.Select(own => own == label ? 1.0 : 0)];
        double[] rotated = dual ? target : [.. vectors.Select(column => Product(column, target))];
        form.MultiplyQ(rotated);
        double lambda = 1,
            alpha = 1,
            beta = 1;
        for (int step = 0; step < MostSteps; step++)
        {
            Moments at = Moments.Of(form, rotated, lambda, count, n, width, dual);
            (alpha, beta) = (at.Effective / at.Weights, (n - at.Effective) / at.Residual);
            // Below this share of the trace the form could not be factored in double.
            double next = Math.Max(alpha / beta, 1e-13 * form.Trace);
            bool settled = Math.Abs(next - lambda) < Settled * lambda;
            lambda = next;
            if (settled)
                break;
        }

        Moments last = Moments.Of(form, rotated, lambda, count, n, width, dual);
        int size = form.Size;
        return 0.5
            * (
                width * Math.Log(alpha)
                + n * Math.Log(beta)
                - (size * Math.Log(beta) + last.LogDeterminant)
                - (width - size) * Math.Log(alpha)
                - beta * last.Residual
                - alpha * last.Weights
                - n * Math.Log(2 * Math.PI)
            )
            / n;
    }

    private static double Product(float[] column, double[] target)
    {
        double sum = 0;
        for (int i = 0; i < column.Length; i++)
            sum += column[i] * target[i];
        return sum;
    }

    private static float[][] RowsOf(FeatureTable table) =>
        [.. Enumerable.Range(0, table.Rows).Select(row => table.Row(row).ToArray())];

    private static float[][] ColumnsOf(FeatureTable table)
    {
        float[][] columns = [.. Enumerable.Range(0, table.Width).Select(_ => new float[table.Rows])];
        for (int i = 0; i < table.Rows; i++)
        for (int j = 0; j < table.Width; j++)
            columns[j][i] = table.Values[i * table.Width + j];
        return columns;
    }

    private static void RequireRows(FeatureTable table, int least)
    {
        if (table.Rows < least)
            throw new ArgumentException($"{table.Rows} rows say nothing; give at least {least}.", nameof(table));
    }

    private static void RequireLengths(int labels, int source, int sourceClasses)
    {
        if (labels == 0 || sourceClasses < 1 || (long)labels * sourceClasses != source)
            throw new ArgumentException(
                $"{labels} rows of {sourceClasses} source classes need {(long)labels * sourceClasses} probabilities "
                    + $"and at least one row, not {source}.",
                nameof(source)
            );
    }

    /// <summary>What the evidence needs at one λ.</summary>
    /// <param name="Weights">‖m‖² of the weights m that are likeliest.</param>
    /// <param name="Residual">‖y - F·m‖².</param>
    /// <param name="Effective">Effective number of parameters, Σ σ/(σ + λ).</param>
    /// <param name="LogDeterminant">ln det of FᵀF + λI or FFᵀ + λI.</param>
    private readonly record struct Moments(double Weights, double Residual, double Effective, double LogDeterminant)
    {
        private const double Least = 1e-12;

        public static Moments Of(
            Tridiagonal form,
            double[] rotated,
            double lambda,
            int count,
            int rows,
            int width,
            bool dual
        )
        {
            (double[] Pivots, double[] Lower) factor = form.Factor(lambda);
            double[] solved = [.. rotated];
            Tridiagonal.Solve(factor, solved);
            double square = Simd.Dot(solved, solved),
                product = Simd.Dot(solved, rotated),
                trace = Tridiagonal.TraceOfInverse(factor),
                // In the dual form solved is r = (FFᵀ + λ)⁻¹·y, m = Fᵀ·r and y - F·m = λ·r.
                weights = dual ? product - lambda * square : square,
                residual = dual ? lambda * lambda * square : count - product - lambda * square;
            return new Moments(
                Math.Max(weights, Least),
                Math.Max(residual, Least),
                Math.Clamp((dual ? rows : width) - lambda * trace, Least, rows - Least),
                factor.Pivots.Sum(Math.Log)
            );
        }
    }
}
