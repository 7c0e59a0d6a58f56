using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Experiments;

/// <summary>Scores of how unlike the training images an image is, higher being more unlike, from its features.</summary>
internal static class UnknownCandidates
{
    private static readonly ParallelOptions Parallel = new() { MaxDegreeOfParallelism = Environment.ProcessorCount };

    /// <summary>Name and score of each candidate, fitted on the rows of known classes.</summary>
    public static IEnumerable<(string Name, Func<FeatureTable, double[]> Score)> Of(FeatureTable train)
    {
        FeatureTable roots = Roots(train);
        yield return ("as written", UnknownScore.Of(train).Score);
        foreach (int k in new[] { 1, 5 })
            yield return ($"neighbour {k}", Neighbours(train, k, centre: false));
        foreach (int k in new[] { 1, 5 })
            yield return ($"neighbour {k}, centred", Neighbours(train, k, centre: true));
        foreach (int k in new[] { 1, 5 })
            yield return ($"neighbour {k} of roots", rows => Neighbours(roots, k, centre: false)(Roots(rows)));
        (Func<FeatureTable, double[]> tied, Func<FeatureTable, double[]> relative) = Mahalanobis(train);
        yield return ("Mahalanobis", tied);
        yield return ("relative Mahalanobis", relative);
        (Func<FeatureTable, double[]> rootTied, Func<FeatureTable, double[]> rootRelative) = Mahalanobis(roots);
        yield return ("Mahalanobis of roots", rows => rootTied(Roots(rows)));
        yield return ("relative M. of roots", rows => rootRelative(Roots(rows)));
        foreach (int rank in new[] { 32, 128 })
            if (rank < train.Width && rank < train.Rows)
                yield return ($"residual beyond {rank}", Residual(train, rank));
    }

    private static FeatureTable Roots(FeatureTable rows) =>
        new(
            rows.ClassNames,
            rows.Labels,
            Array.ConvertAll(rows.Values, x => MathF.CopySign(MathF.Sqrt(MathF.Abs(x)), x)),
            rows.Width
        );

    /// <summary>
    /// Distance to the k-th nearest training row on features of length 1 (Sun et al., Out-of-distribution detection with
    /// deep nearest neighbors, 2022).
    /// </summary>
    private static Func<FeatureTable, double[]> Neighbours(FeatureTable train, int k, bool centre)
    {
        float[] mean = centre ? Mean(train) : new float[train.Width];
        float[][] known = Unit(train, mean);
        return rows =>
            [
                .. Unit(rows, mean)
                    .Select(x =>
                    {
                        float[] near = [.. known.Select(y => Simd.Dot(x, y))];
                        Array.Sort(near);
                        return 1.0 - near[^k];
                    }),
            ];
    }

    private static float[][] Unit(FeatureTable rows, float[] mean) =>
        [
            .. Enumerable
                .Range(0, rows.Rows)
                .Select(i =>
                {
                    float[] x = [.. rows.Row(i).ToArray().Zip(mean, (value, m) => value - m)];
                    float length = MathF.Sqrt(Simd.Dot(x, x));
                    return Array.ConvertAll(x, value => value / Math.Max(length, 1e-12f));
                }),
        ];

    private static float[] Mean(FeatureTable rows)
    {
        var mean = new float[rows.Width];
        for (int i = 0; i < rows.Rows; i++)
            Simd.AddScaled(mean, 1f / rows.Rows, rows.Row(i));
        return mean;
    }

    /// <summary>
    /// Distance to the nearest class mean by one covariance of all classes (Lee et al., 2018), shrunk (Ledoit and Wolf,
    /// 2004); and less the distance by one Gaussian for all rows (Ren et al., 2021).
    /// </summary>
    private static (Func<FeatureTable, double[]> Tied, Func<FeatureTable, double[]> Relative) Mahalanobis(
        FeatureTable train
    )
    {
        int[] counts = train.RowsPerClass();
        int[] present = [.. Enumerable.Range(0, counts.Length).Where(c => counts[c] > 0)];
        var means = new double[counts.Length][];
        foreach (int c in present)
            means[c] = new double[train.Width];
        var whole = new double[train.Width];
        for (int i = 0; i < train.Rows; i++)
        for (int j = 0; j < train.Width; j++)
        {
            means[train.Labels[i]][j] += (double)train.Row(i)[j] / counts[train.Labels[i]];
            whole[j] += (double)train.Row(i)[j] / train.Rows;
        }

        Cholesky Factor(Func<int, double[]> centre)
        {
            float[][] columns = [.. Enumerable.Range(0, train.Width).Select(_ => new float[train.Rows])];
            for (int i = 0; i < train.Rows; i++)
            for (int j = 0; j < train.Width; j++)
                columns[j][i] = (float)(train.Row(i)[j] - centre(train.Labels[i])[j]);
            return Cholesky.Factor(LedoitWolf.Of(columns, Parallel).Covariance, Parallel)!;
        }

        (Cholesky within, Cholesky all) = (Factor(label => means[label]), Factor(_ => whole));
        // (x - m)ᵀ·A⁻¹·(x - m) of each mean m, by one solution for x and one for each m.
        Func<float[], double[]> Distances(Cholesky factor, double[][] centres)
        {
            (double[] Solved, double Square)[] solved =
            [
                .. centres.Select(m =>
                {
                    double[] by = [.. m];
                    factor.Solve(by);
                    return (by, Simd.Dot(by, m));
                }),
            ];
            return row =>
            {
                double[] x = Array.ConvertAll(row, value => (double)value),
                    by = [.. x];
                factor.Solve(by);
                double own = Simd.Dot(by, x);
                return [.. solved.Select(m => own - 2 * Simd.Dot(m.Solved, x) + m.Square)];
            };
        }

        Func<float[], double[]> nearest = Distances(within, [.. present.Select(c => means[c])]),
            far = Distances(all, [whole]);
        double[] Each(FeatureTable rows, Func<float[], double> of) =>
            [.. Enumerable.Range(0, rows.Rows).AsParallel().AsOrdered().Select(i => of(rows.Row(i).ToArray()))];
        return (rows => Each(rows, x => nearest(x).Min()), rows => Each(rows, x => nearest(x).Min() - far(x)[0]));
    }

    /// <summary>
    /// Share of a row's length that lies outside the leading directions of the training rows: the feature half of ViM
    /// (Wang et al., 2022), relative to the length.
    /// </summary>
    private static Func<FeatureTable, double[]> Residual(FeatureTable train, int rank)
    {
        float[] mean = Mean(train);
        double[][] Centred(FeatureTable rows) =>
            [
                .. Enumerable
                    .Range(0, rows.Rows)
                    .Select(i => rows.Row(i).ToArray().Zip(mean, (value, m) => (double)value - m).ToArray()),
            ];
        double[][] x = Centred(train);
        var rng = new Rng(1);
        double[][] basis =
        [
            .. Enumerable
                .Range(0, rank)
                .Select(_ => Enumerable.Range(0, train.Width).Select(_ => rng.NextNormal()).ToArray()),
        ];
        for (int round = 0; round < 12; round++)
        {
            System.Threading.Tasks.Parallel.For(
                0,
                rank,
                r =>
                {
                    var next = new double[train.Width];
                    foreach (double[] row in x)
                        Simd.AddScaled(next, Simd.Dot(row, basis[r]), row);
                    basis[r] = next;
                }
            );
            for (int r = 0; r < rank; r++)
            {
                for (int before = 0; before < r; before++)
                    Simd.AddScaled(basis[r], -Simd.Dot(basis[r], basis[before]), basis[before]);
                double length = Math.Sqrt(Simd.Dot(basis[r], basis[r]));
                for (int j = 0; j < train.Width; j++)
                    basis[r][j] /= length;
            }
        }

        return rows =>
            [
                .. Centred(rows)
                    .Select(row =>
                    {
                        double length = Simd.Dot(row, row),
                            inside = basis.Sum(b => Math.Pow(Simd.Dot(row, b), 2));
                        return (length - inside) / length;
                    }),
            ];
    }
}
