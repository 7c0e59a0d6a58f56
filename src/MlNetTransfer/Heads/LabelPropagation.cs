using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>How labels spread. Immutable; an invalid instance cannot be made.</summary>
public sealed record LabelPropagationOptions
{
    /// <summary>
    /// The most similar rows that each row is tied to, in [1, 1000]; never more than there are others. Default 10.
    /// </summary>
    public int Neighbours
    {
        get;
        init => field = Check.InRange(value, 1, 1000, nameof(Neighbours));
    } = 10;

    /// <summary>
    /// How much of its label a row takes from its neighbours, in [0.01, 0.999]; the rest is what it was given. Default
    /// 0.95: of 0.8, 0.95 and 0.99 none was better on all of three tasks.
    /// </summary>
    public double Share
    {
        get;
        init => field = Check.InRange(value, 0.01, 0.999, nameof(Share));
    } = 0.95;

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>Spreads the labels of a few rows to many without, over a graph of similar rows.</summary>
/// <remarks>
/// <para>Zhou, Bousquet, Lal, Weston and Schölkopf, Learning with local and global consistency, NIPS 2003: F minimises
/// Σ W_ij·‖F_i/√d_i - F_j/√d_j‖² + (1/α - 1)·Σ ‖F_i - Y_i‖² up to a factor, which is (I - α·S)·F = Y with
/// S = D^-½·W·D^-½; solved class by class by conjugate gradients. As in Iscen, Tolias, Avrithis and Chum, Label
/// propagation for deep semi-supervised learning, CVPR 2019, W is made of the cube of the cosine of each row and its
/// nearest ones, of which negative ones count 0, and made symmetric by adding its transpose. Rows are compared by the
/// signed root of their features, standardised over all rows.</para>
/// <para>A common class would spread further than a rare one: what the rows without label have of each class is scaled
/// to the share of the class among the labelled rows (class mass normalisation; Zhu, Ghahramani and Lafferty,
/// Semi-supervised learning using Gaussian fields and harmonic functions, ICML 2003).</para>
/// <para>Cost: rows²·width.</para>
/// </remarks>
public static class LabelPropagation
{
    private const double Least = 1e-12,
        Tolerance = 1e-10;
    private const int MostSteps = 1000;

    /// <summary>Spreads labels.</summary>
    /// <param name="labelled">Rows with labels [labelled × width]; every class has one.</param>
    /// <param name="unlabelled">Rows without [unlabelled × width]; their labels are not looked at.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Honoured within a pass over the rows.</param>
    /// <returns>What each row without label has of each class [unlabelled × classes]; each row sums to 1. Equal inputs
    /// give equal bytes.</returns>
    /// <exception cref="ArgumentException">The widths differ, or there is no row without label.</exception>
    /// <exception cref="TransferException">There are fewer than two classes, or a class has no row.</exception>
    public static float[] Spread(
        FeatureTable labelled,
        FeatureTable unlabelled,
        LabelPropagationOptions? options = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(labelled);
        ArgumentNullException.ThrowIfNull(unlabelled);
        if (labelled.Width != unlabelled.Width || unlabelled.Rows == 0)
            throw new ArgumentException(
                $"{unlabelled.Rows} rows of {unlabelled.Width} features were given without labels; at least 1 of "
                    + $"{labelled.Width} features, like those with labels, is needed.",
                nameof(unlabelled)
            );
        HeadRows.CheckTrainable(labelled);
        options ??= new LabelPropagationOptions();
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Workers,
            CancellationToken = cancellation,
        };
        Similarity[][] graph = Graph(Directions(labelled, unlabelled, parallel), options.Neighbours, parallel);
        int classes = labelled.Classes;
        var found = new double[classes][];
        Parallel.For(0, classes, parallel, c => found[c] = Solve(graph, options.Share, Given(labelled, c), parallel));
        return Shares(found, labelled, unlabelled.Rows);
    }

    /// <summary>
    /// Standardised roots of all rows, the labelled first, each of length 1 [rows][width]; a row of zeros stays one.
    /// </summary>
    private static float[][] Directions(FeatureTable labelled, FeatureTable unlabelled, ParallelOptions parallel)
    {
        FeatureTable roots = KernelRidgeTrainer.Roots(
            new FeatureTable(
                labelled.ClassNames,
                [.. labelled.Labels, .. new int[unlabelled.Rows]],
                [.. labelled.Values, .. unlabelled.Values],
                labelled.Width
            )
            {
                Networks = labelled.Networks,
            }
        );
        float[][] rows = RidgeTrainer.Standardised(roots, new FeatureScaler(roots, parallel));
        foreach (float[] row in rows)
        {
            double length = Math.Sqrt(Simd.DotWide(row, row));
            for (int i = 0; i < row.Length && length > 0; i++)
                row[i] = (float)(row[i] / length);
        }

        return rows;
    }

    /// <summary>S: for each row the rows that it is tied to, ascending.</summary>
    private static Similarity[][] Graph(float[][] rows, int neighbours, ParallelOptions parallel)
    {
        var nearest = new Similarity[rows.Length][];
        Parallel.For(0, rows.Length, parallel, i => nearest[i] = Nearest(rows, i, neighbours));
        Dictionary<int, double>[] ties = [.. rows.Select(_ => new Dictionary<int, double>())];
        for (int i = 0; i < rows.Length; i++)
            foreach ((int j, double value) in nearest[i])
            {
                ties[i][j] = ties[i].GetValueOrDefault(j) + value;
                ties[j][i] = ties[j].GetValueOrDefault(i) + value;
            }

        Similarity[][] graph =
        [
            .. ties.Select(own =>
                own.OrderBy(tie => tie.Key).Select(tie => new Similarity(tie.Key, tie.Value)).ToArray()
            ),
        ];
        double[] degree = [.. graph.Select(own => own.Sum(tie => tie.Value))];
        for (int i = 0; i < graph.Length; i++)
            foreach (ref Similarity tie in graph[i].AsSpan())
                tie = tie with { Value = tie.Value / Math.Sqrt(degree[i] * degree[tie.Row]) };
        return graph;
    }

    /// <summary>The rows whose cosine is highest, with its cube; of equal ones those that stand first.</summary>
    private static Similarity[] Nearest(float[][] rows, int row, int neighbours)
    {
        var cosine = new double[rows.Length];
        for (int j = 0; j < rows.Length; j++)
            cosine[j] = j == row ? double.NegativeInfinity : Simd.DotWide(rows[row], rows[j]);
        return
        [
            .. Enumerable
                .Range(0, rows.Length)
                .OrderByDescending(j => cosine[j])
                .ThenBy(j => j)
                .Take(Math.Min(neighbours, rows.Length - 1))
                .Where(j => cosine[j] > 0)
                .Select(j => new Similarity(j, Math.Pow(cosine[j], 3))),
        ];
    }

    /// <summary>Y of a class: 1 for its labelled rows.</summary>
    private static double[] Given(FeatureTable labelled, int label) =>
        Array.ConvertAll(labelled.Labels, own => own == label ? 1.0 : 0);

    /// <summary>
    /// f of (I - α·S)·f = y by conjugate gradients: the matrix is symmetric, its eigenvalues lie in [1 - α, 1 + α].
    /// </summary>
    private static double[] Solve(Similarity[][] graph, double share, double[] given, ParallelOptions parallel)
    {
        var f = new double[graph.Length];
        double[] residual = new double[graph.Length],
            image = new double[graph.Length];
        given.CopyTo(residual, 0);
        double[] direction = [.. residual];
        double size = Simd.Dot(residual, residual),
            small = size * Tolerance * Tolerance;
        for (int step = 0; step < MostSteps && size > small; step++)
        {
            parallel.CancellationToken.ThrowIfCancellationRequested();
            for (int i = 0; i < graph.Length; i++)
            {
                double sum = 0;
                foreach ((int j, double value) in graph[i])
                    sum += value * direction[j];
                image[i] = direction[i] - share * sum;
            }

            double length = size / Simd.Dot(direction, image);
            Simd.AddScaled(f, length, direction);
            Simd.AddScaled(residual, -length, image);
            double next = Simd.Dot(residual, residual);
            for (int i = 0; i < direction.Length; i++)
                direction[i] = residual[i] + next / size * direction[i];
            size = next;
        }

        return f;
    }

    /// <summary>Shares of the classes in the rows without label, by class mass normalisation.</summary>
    private static float[] Shares(double[][] found, FeatureTable labelled, int rows)
    {
        int classes = found.Length;
        var shares = new double[rows * classes];
        for (int row = 0; row < rows; row++)
        for (int c = 0; c < classes; c++)
            shares[row * classes + c] = Math.Max(found[c][labelled.Rows + row], Least);
        Normalise(shares, classes);
        int[] counts = labelled.RowsPerClass();
        for (int c = 0; c < classes; c++)
        {
            double mass = 0;
            for (int i = c; i < shares.Length; i += classes)
                mass += shares[i] / rows;
            for (int i = c; i < shares.Length; i += classes)
                shares[i] *= (double)counts[c] / labelled.Rows / mass;
        }

        Normalise(shares, classes);
        return Array.ConvertAll(shares, share => (float)share);
    }

    private static void Normalise(double[] shares, int classes)
    {
        for (int start = 0; start < shares.Length; start += classes)
        {
            Span<double> row = shares.AsSpan(start, classes);
            double sum = 0;
            foreach (double share in row)
                sum += share;
            foreach (ref double share in row)
                share /= sum;
        }
    }

    private readonly record struct Similarity(int Row, double Value);
}
