using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a ridge head. Immutable; an invalid instance cannot be made.</summary>
public sealed record RidgeTrainerOptions
{
    /// <summary>
    /// Penalty on the weights as a multiple of the rows' mean squared length after standardising, in [1e-8, 1e4].
    /// Default null: chosen by leave-one-out.
    /// </summary>
    public double? Penalty
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 1e-8, 1e4, nameof(Penalty));
    }

    /// <summary>
    /// Share of the features' mean variance that is added to each feature's own before its root divides the feature, in
    /// [0, 10]. Default 0.1: on real features it gained 1 point of accuracy with one row per class and lost nothing
    /// with twenty.
    /// </summary>
    public double Damping
    {
        get;
        init => field = Check.InRange(value, 0, 10, nameof(Damping));
    } = 0.1;

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>
/// Fits ridge regression on one-hot targets in closed form: a linear head from one row per class on, without iterating.
/// </summary>
/// <remarks>
/// <para>Minimises Σ ‖y - W·x - b‖² + α·‖W‖² with y the one-hot label and x the features standardised by the training
/// rows (<see cref="RidgeTrainerOptions.Damping"/>), b free: scikit-learn's Ridge on such targets. The scores divided
/// by a temperature are logits.</para>
/// <para>α is a multiple of the rows' mean squared length, from 10 down to 1e-3 in half decades. Each is judged by
/// leaving one row out, which for ridge is the exact y - (y - ŷ)/(1 - h) (Allen, The relationship between variable
/// selection and data augmentation, 1974), with the temperature that fits those scores best (Guo et al., 2017); the
/// lowest log-loss wins and brings its temperature. The row of a class with a single row does not vote; where none
/// votes, the multiple is 0.3 and the temperature 1, so that a score of 1 against 0 is e times as likely. Of more than
/// 4,000 rows, 4,000 spread evenly are left out.</para>
/// <para>Cost: the smaller of rows and width, cubed, twice over, then little per α.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class RidgeTrainer(RidgeTrainerOptions? options = null) : IHeadTrainer<RidgeHead>
{
    internal const double Fallback = 0.3;
    private const int MostLeftOut = 4000;
    internal static readonly double[] Grid = [.. Enumerable.Range(0, 9).Select(i => Math.Pow(10, 1 - i / 2.0))];
    private readonly RidgeTrainerOptions options = options ?? new RidgeTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new("Ridge", s => new RidgeTrainer(new RidgeTrainerOptions { Workers = s.Workers }))
        {
            IsLinear = true,
            Chosen = (0, int.MaxValue),
        };

    /// <inheritdoc/>
    public RidgeHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Workers,
            CancellationToken = cancellation,
        };
        progress?.Report(new FitProgress("Fitting the head", 0, 1));
        var scaler = new FeatureScaler(train, parallel, options.Damping);
        double[] shares = Shares(train);
        var system = new RidgeSystem(Standardised(train, scaler), Targets(train, shares), parallel);
        // Without any feature that varies every penalty gives weights of 0.
        double unit = system.MeanSquaredLength > 0 ? system.MeanSquaredLength : 1;
        Compared<double>[] path = Path(train, system, shares, unit, options.Penalty is { } given ? [given] : Grid);
        Compared<double> chosen =
            path.MinBy(trial => trial.LogLoss) ?? new Compared<double>(options.Penalty ?? Fallback, HeldOut.Nothing);
        double[][] solved = system.Weights(chosen.Choice * unit);
        float[] weights = [.. solved.SelectMany(row => row.Select(value => (float)(chosen.Score.LogitScale * value)))];
        float[] bias = [.. shares.Select(share => (float)(chosen.Score.LogitScale * share))];
        scaler.FoldInto(weights, bias);
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new RidgeHead(
            train.ClassNames,
            train.Width,
            weights,
            bias,
            chosen.Choice,
            chosen.Choice * unit,
            1 / chosen.Score.LogitScale,
            options.Penalty is null ? path : []
        );
    }

    /// <summary>The penalties, each judged by leaving one row out; none where no row can be.</summary>
    internal static Compared<double>[] Path(
        FeatureTable train,
        RidgeSystem system,
        double[] shares,
        double unit,
        double[] penalties
    )
    {
        int[] rows = Voters(train, shares);
        if (rows.Length == 0)
            return [];
        double[][] rotated = system.Rotate(rows);
        return
        [
            .. penalties.Select(tried =>
            {
                float[] scores = system.LeaveOneOut(rows, rotated, tried * unit);
                var logits = new HeldOutLogits(train.Classes);
                var row = new float[train.Classes];
                for (int i = 0; i < rows.Length; i++)
                {
                    for (int c = 0; c < row.Length; c++)
                        row[c] = scores[i * row.Length + c] + (float)shares[c];
                    logits.Add(row, train.Labels[rows[i]], 1);
                }

                return new Compared<double>(tried, logits.Judge(logits.Temper()));
            }),
        ];
    }

    private static int[] Voters(FeatureTable train, double[] shares)
    {
        int[] rows = [.. Enumerable.Range(0, train.Rows).Where(i => shares[train.Labels[i]] * train.Rows > 1.5)];
        return rows.Length <= MostLeftOut
            ? rows
            : [.. Enumerable.Range(0, MostLeftOut).Select(i => rows[(int)((long)i * rows.Length / MostLeftOut)])];
    }

    /// <summary>Share of each class in the rows [classes].</summary>
    internal static double[] Shares(FeatureTable train)
    {
        var shares = new double[train.Classes];
        foreach (int label in train.Labels)
            shares[label] += 1.0 / train.Rows;
        return shares;
    }

    /// <summary>One-hot labels less the class's share [classes][rows].</summary>
    internal static double[][] Targets(FeatureTable train, double[] shares) =>
        [.. shares.Select((share, c) => Array.ConvertAll(train.Labels, label => (label == c ? 1 : 0) - share))];

    /// <summary>Standardised rows [rows][width].</summary>
    internal static float[][] Standardised(FeatureTable train, FeatureScaler scaler)
    {
        float[][] rows = [.. Enumerable.Range(0, train.Rows).Select(_ => new float[train.Width])];
        for (int i = 0; i < rows.Length; i++)
            scaler.Apply(train.Row(i), rows[i]);
        return rows;
    }
}

/// <summary>
/// Ridge regression on one-hot targets, its scores turned into probabilities. Linear in the features. Immutable.
/// </summary>
public sealed class RidgeHead : LinearHead
{
    internal RidgeHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        double penalty,
        double alpha,
        double temperature,
        IReadOnlyList<Compared<double>> path
    )
        : base(classNames, width, weights, bias) =>
        (Penalty, Alpha, Temperature, Path) = (penalty, alpha, temperature, path);

    /// <summary>The penalty used, as a multiple of the rows' mean squared length.</summary>
    public double Penalty { get; }

    /// <summary>The penalty itself: α of Σ ‖y - W·x - b‖² + α·‖W‖² on standardised features.</summary>
    public double Alpha { get; }

    /// <summary>What the scores are divided by to be logits.</summary>
    public double Temperature { get; }

    /// <summary>
    /// Penalties that were tried, judged on the scores of rows left out; empty where the penalty was given or no row
    /// could be left out.
    /// </summary>
    public IReadOnlyList<Compared<double>> Path { get; }
}

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
