using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a linear discriminant. Immutable; an invalid instance cannot be made.</summary>
public sealed record LinearDiscriminantTrainerOptions
{
    /// <summary>
    /// The shrinkage that predicted best on real features with 1 to 40 images per class; what the automatic choice and
    /// the choice by name use.
    /// </summary>
    public const double StrongShrinkage = 0.7;

    /// <summary>
    /// Share of the covariance that is replaced by the identity times its mean variance, in [0.01, 1]. Default null: by
    /// <see cref="Rule"/>. For up to some dozen rows per class give 0.7: best of 0.1 to 0.9 on real features with 1 to
    /// 20 rows per class.
    /// </summary>
    public double? Shrinkage
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 0.01, 1, nameof(Shrinkage));
    }

    /// <summary>How the shrinkage is found where none is given. Default by Ledoit and Wolf's rule.</summary>
    public ShrinkageRule Rule { get; init; }

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>How the shrinkage of a linear discriminant is found.</summary>
public enum ShrinkageRule
{
    /// <summary>
    /// Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004, class by class.
    /// </summary>
    LedoitWolf,

    /// <summary>
    /// One shrinkage for the covariance of all classes, by leaving one row out, in closed form: by the log-loss of the
    /// rows left out, at its best temperature; within one standard error of the lowest, that nearest to 0.7.
    /// </summary>
    LeaveOneOut,
}

/// <summary>Fits Fisher's linear discriminant in closed form: no iteration.</summary>
/// <remarks>
/// <para>Classes are Gaussian with means m_c and one covariance S: logits m_c·S⁻¹·x - m_c·S⁻¹·m_c/2 + ln(share of c),
/// the shares those of the training rows. S is the mean, weighted by the shares, of the classes' own covariances, each
/// shrunk by Ledoit and Wolf's rule on features standardised within the class: scikit-learn's
/// LinearDiscriminantAnalysis(solver='lsqr', shrinkage='auto').</para>
/// <para>With <see cref="LinearDiscriminantTrainerOptions.Shrinkage"/> s given, S = (1 - s)·W + s·tr W/width·I instead,
/// W the covariance within the classes of all rows together, on features standardised as for ridge (damping 0.1):
/// solver='lsqr', shrinkage=s on such features. Where every class has a single row, S is the identity times the width:
/// class means. With fewer rows than features it costs rows² · width / 2 + rows³ / 6 multiply-adds only
/// (Woodbury).</para>
/// <para>With <see cref="ShrinkageRule.LeaveOneOut"/> s is the one of <see cref="ShrinkageGrid"/> nearest to 0.7 that
/// is within one standard error of the one which says best what every row is, from the others: leaving a row out
/// moves its class mean and takes a multiple of (x - m)·(x - m)ᵀ from W, whose inverse is known by Sherman and
/// Morrison's formula, so that all rows cost one tridiagonal form and rows · min(rows, width) per shrinkage. The
/// standardisation and tr W, in which a row counts little, are those of all rows. It brings the temperature that
/// suits those rows best, since the size of the logits goes with s. Where no class has two rows s is
/// <see cref="LinearDiscriminantTrainerOptions.StrongShrinkage"/>.</para>
/// <para>With class weights a row counts its class's weight in W and in the shares.</para>
/// <para>Features that vary in no class get weight 0. Cost: rows · width² / 2 + width³ / 6 multiply-adds and width² / 2
/// doubles per class at a time: meant for up to some thousand features.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class LinearDiscriminantTrainer(LinearDiscriminantTrainerOptions? options = null)
    : IHeadTrainer<LinearDiscriminantHead>
{
    /// <summary>Rows that are left out, at most; of more, these many, evenly.</summary>
    private const int MostLeftOut = 2000;

    private readonly LinearDiscriminantTrainerOptions options = options ?? new LinearDiscriminantTrainerOptions();

    /// <summary>The shrinkages that <see cref="ShrinkageRule.LeaveOneOut"/> tries.</summary>
    public static IReadOnlyList<double> ShrinkageGrid { get; } =
    [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Discriminant",
            s => new LinearDiscriminantTrainer(
                new LinearDiscriminantTrainerOptions
                {
                    Rule = ShrinkageRule.LeaveOneOut,
                    ClassWeights = s.ClassWeights,
                    Workers = s.Workers,
                }
            )
        )
        {
            IsLinear = true,
            Chosen = (0, int.MaxValue),
        };

    /// <inheritdoc/>
    /// <exception cref="TransferException">The covariance has no inverse: too few rows for features that depend on each
    /// other; or as <see cref="IHeadTrainer.Fit"/>.</exception>
    public LinearDiscriminantHead Fit(
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
        double[]? weight = ClassWeighting.Of(train, options.ClassWeights);
        if (options.Shrinkage is not null || options.Rule == ShrinkageRule.LeaveOneOut)
            return Shared(train, weight, parallel, progress);
        double[][] means = new double[train.Classes][],
            covariance = [.. Enumerable.Range(0, train.Width).Select(i => new double[i + 1])];
        var shares = new double[train.Classes];
        for (int c = 0; c < train.Classes; c++)
        {
            progress?.Report(new FitProgress("Measuring the classes' covariances", c, train.Classes));
            int[] rows = [.. Enumerable.Range(0, train.Rows).Where(i => train.Labels[i] == c)];
            shares[c] = (weight?[c] ?? 1) * rows.Length / train.Rows;
            means[c] = AddClass(train, rows, shares[c], covariance, parallel);
        }

        int[] varying = [.. Enumerable.Range(0, train.Width).Where(i => covariance[i][i] > 0)];
        if (varying.Length == 0)
            throw new TransferException(
                $"No feature varies within a class ({train.Rows} rows, {train.Classes} classes), so there is no "
                    + $"covariance. Add images, or use the nearest-mean head."
            );
        Cholesky factor =
            Cholesky.Factor(
                [.. varying.Select(i => varying.TakeWhile(j => j <= i).Select(j => covariance[i][j]).ToArray())],
                parallel
            )
            ?? throw new TransferException(
                $"The covariance of {varying.Length} features has no inverse: with {train.Rows} rows some features "
                    + $"depend on others. Add images, or use the softmax head."
            );
        return Head(train, means, shares, varying, factor);
    }

    private LinearDiscriminantHead Shared(
        FeatureTable train,
        double[]? weight,
        ParallelOptions parallel,
        IProgress<FitProgress>? progress
    )
    {
        var scaler = new FeatureScaler(train, parallel, 0.1);
        var within = new WithinClasses(train, scaler, weight, parallel);
        (Compared<double>[] path, Compared<double>? best) = options.Shrinkage is null
            ? Path(train, within, weight)
            : ([], null);
        Compared<double> chosen =
            best
            ?? new Compared<double>(
                options.Shrinkage ?? LinearDiscriminantTrainerOptions.StrongShrinkage,
                HeldOut.Nothing
            );
        double[][] solved = within.Solve(chosen.Choice);
        double scale = chosen.Score.LogitScale;
        float[] weights = [.. solved.SelectMany(row => row.Select(value => (float)(scale * value)))];
        float[] bias =
        [
            .. solved.Select(
                (row, c) => (float)(scale * (Math.Log(within.Shares[c]) - 0.5 * Simd.Dot(row, within.Means[c])))
            ),
        ];
        scaler.FoldInto(weights, bias);
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new LinearDiscriminantHead(train.ClassNames, train.Width, weights, bias)
        {
            Shrinkage = chosen.Choice,
            Path = path,
        };
    }

    /// <summary>
    /// The shrinkages, each judged by leaving one row out, and the one to take; none where no row can be left out.
    /// </summary>
    private static (Compared<double>[] Path, Compared<double>? Taken) Path(
        FeatureTable train,
        WithinClasses within,
        double[]? weight
    )
    {
        int[] rows = HeadRows.LeftOut(train, MostLeftOut);
        if (rows.Length == 0 || within.Variance == 0)
            return ([], null);
        HeldOutLogits[] held = [.. ShrinkageGrid.Select(_ => new HeldOutLogits(train.Classes))];
        foreach ((HeldOutLogits logits, float[] scores) in held.Zip(within.LeaveOneOut(rows, ShrinkageGrid)))
            for (int i = 0; i < rows.Length; i++)
            {
                int label = train.Labels[rows[i]];
                logits.Add(scores.AsSpan(i * train.Classes, train.Classes), label, weight?[label] ?? 1);
            }

        Compared<double>[] path =
        [
            .. held.Select((logits, s) => new Compared<double>(ShrinkageGrid[s], logits.Judge(logits.Temper()))),
        ];
        double[][] losses = [.. held.Select((logits, s) => logits.Losses(path[s].Score.LogitScale))];
        int best = Array.IndexOf(path, path.MinBy(trial => trial.LogLoss));
        return (
            path,
            path.Where(
                    (_, s) =>
                        held[s].Behind(losses[s], losses[best]) is var (mean, error) && (s == best || mean <= error)
                )
                .MinBy(trial => Math.Abs(trial.Choice - LinearDiscriminantTrainerOptions.StrongShrinkage))
        );
    }

    private static LinearDiscriminantHead Head(
        FeatureTable train,
        double[][] means,
        double[] shares,
        int[] varying,
        Cholesky factor
    )
    {
        float[] weights = new float[train.Classes * train.Width],
            bias = new float[train.Classes];
        for (int c = 0; c < train.Classes; c++)
        {
            double[] mean = [.. varying.Select(i => means[c][i])],
                solved = [.. mean];
            factor.Solve(solved);
            for (int i = 0; i < solved.Length; i++)
                weights[c * train.Width + varying[i]] = (float)solved[i];
            bias[c] = (float)(Math.Log(shares[c]) - 0.5 * Simd.Dot(mean, solved));
        }

        return new LinearDiscriminantHead(train.ClassNames, train.Width, weights, bias);
    }

    // Adds share · covariance of the rows; returns their mean [width].
    private static double[] AddClass(
        FeatureTable train,
        int[] rows,
        double share,
        double[][] covariance,
        ParallelOptions parallel
    )
    {
        FeatureTable members = train.Select(rows);
        var scaler = new FeatureScaler(members, parallel);
        float[][] features = [.. Enumerable.Range(0, train.Width).Select(_ => new float[rows.Length])];
        var row = new float[train.Width];
        for (int r = 0; r < rows.Length; r++)
        {
            scaler.Apply(members.Row(r), row);
            for (int i = 0; i < row.Length; i++)
                features[i][r] = row[i];
        }

        double[][] standardised = LedoitWolf.Of(features, parallel).Covariance;
        double[] sd = [.. scaler.Scale.ToArray().Select(scale => scale > 0 ? 1 / scale : 0)];
        for (int i = 0; i < sd.Length; i++)
        for (int j = 0; j <= i; j++)
            covariance[i][j] += share * standardised[i][j] * sd[i] * sd[j];
        return scaler.Mean.ToArray();
    }
}

/// <summary>A linear discriminant: Gaussian classes with one covariance in common. Immutable.</summary>
public sealed class LinearDiscriminantHead : LinearHead
{
    internal LinearDiscriminantHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias)
        : base(classNames, width, weights, bias) { }

    /// <summary>The shrinkage that was used for all classes; null where each class has its own.</summary>
    public double? Shrinkage { get; internal init; }

    /// <summary>
    /// Shrinkages that were tried, judged on rows left out; empty where one was given or no row could be left out.
    /// </summary>
    public IReadOnlyList<Compared<double>> Path { get; internal init; } = [];
}
