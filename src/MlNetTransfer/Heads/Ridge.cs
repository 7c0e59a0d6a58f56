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

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

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
        new(
            "Ridge",
            s => new RidgeTrainer(new RidgeTrainerOptions { ClassWeights = s.ClassWeights, Workers = s.Workers })
        )
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
        var weighing = new RidgeWeights(train, options.ClassWeights);
        double[] shares = weighing.Shares;
        float[][] rows = Standardised(train, scaler);
        double[] centre = weighing.Centre(rows);
        var system = new RidgeSystem(rows, weighing.Targets(train), parallel, weighing.Roots);
        // Without any feature that varies every penalty gives weights of 0.
        double unit = system.MeanSquaredLength > 0 ? system.MeanSquaredLength : 1;
        Compared<double>[] path = Path(train, system, weighing, unit, options.Penalty is { } given ? [given] : Grid);
        Compared<double> chosen =
            path.MinBy(trial => trial.LogLoss) ?? new Compared<double>(options.Penalty ?? Fallback, HeldOut.Nothing);
        double[][] solved = system.Weights(chosen.Choice * unit);
        float[] weights = [.. solved.SelectMany(row => row.Select(value => (float)(chosen.Score.LogitScale * value)))];
        float[] bias = [.. shares.Select(share => (float)(chosen.Score.LogitScale * share))];
        for (int c = 0; c < bias.Length && centre.Length > 0; c++)
            bias[c] -= (float)(chosen.Score.LogitScale * Simd.Dot(solved[c], centre));
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
        RidgeWeights weighing,
        double unit,
        double[] penalties
    )
    {
        int[] rows = HeadRows.LeftOut(train, MostLeftOut);
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
                        row[c] = scores[i * row.Length + c] + (float)weighing.Shares[c];
                    logits.Add(row, train.Labels[rows[i]], weighing.Of(rows[i]));
                }

                return new Compared<double>(tried, logits.Judge(logits.Temper()));
            }),
        ];
    }

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
