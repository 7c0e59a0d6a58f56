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
    /// Ledoit and Wolf's rule, class by class. For up to some dozen rows per class give 0.7: best of 0.1 to 0.9 on real
    /// features with 1 to 20 rows per class.
    /// </summary>
    public double? Shrinkage
    {
        get;
        init => field = value is null ? null : Check.InRange(value.Value, 0.01, 1, nameof(Shrinkage));
    }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>Fits Fisher's linear discriminant in closed form: no penalty to choose, no iteration.</summary>
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
/// <para>Features that vary in no class get weight 0. Cost: rows · width² / 2 + width³ / 6 multiply-adds and width² / 2
/// doubles per class at a time: meant for up to some thousand features.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class LinearDiscriminantTrainer(LinearDiscriminantTrainerOptions? options = null)
    : IHeadTrainer<LinearDiscriminantHead>
{
    private readonly LinearDiscriminantTrainerOptions options = options ?? new LinearDiscriminantTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Discriminant",
            s => new LinearDiscriminantTrainer(
                new LinearDiscriminantTrainerOptions
                {
                    Shrinkage = LinearDiscriminantTrainerOptions.StrongShrinkage,
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
        if (options.Shrinkage is { } shrinkage)
            return Shared(train, shrinkage, parallel, progress);
        double[][] means = new double[train.Classes][],
            covariance = [.. Enumerable.Range(0, train.Width).Select(i => new double[i + 1])];
        var shares = new double[train.Classes];
        for (int c = 0; c < train.Classes; c++)
        {
            progress?.Report(new FitProgress("Measuring the classes' covariances", c, train.Classes));
            int[] rows = [.. Enumerable.Range(0, train.Rows).Where(i => train.Labels[i] == c)];
            shares[c] = (double)rows.Length / train.Rows;
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

    private static LinearDiscriminantHead Shared(
        FeatureTable train,
        double shrinkage,
        ParallelOptions parallel,
        IProgress<FitProgress>? progress
    )
    {
        var scaler = new FeatureScaler(train, parallel, 0.1);
        var within = new WithinClasses(train, scaler, parallel);
        double[][] solved = within.Solve(shrinkage);
        float[] weights = [.. solved.SelectMany(row => row.Select(value => (float)value))];
        float[] bias =
        [
            .. solved.Select(
                (row, c) =>
                    (float)(Math.Log((double)within.Counts[c] / train.Rows) - 0.5 * Simd.Dot(row, within.Means[c]))
            ),
        ];
        scaler.FoldInto(weights, bias);
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new LinearDiscriminantHead(train.ClassNames, train.Width, weights, bias);
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
}

/// <summary>Class means of standardised features, and what is left of the rows beside them.</summary>
internal sealed class WithinClasses
{
    private readonly float[][] residuals;
    private readonly int width;
    private readonly ParallelOptions parallel;

    public WithinClasses(FeatureTable train, FeatureScaler scaler, ParallelOptions parallel)
    {
        (width, this.parallel) = (train.Width, parallel);
        Means = [.. Enumerable.Range(0, train.Classes).Select(_ => new double[width])];
        Counts = new int[train.Classes];
        residuals = [.. Enumerable.Range(0, train.Rows).Select(_ => new float[width])];
        for (int i = 0; i < train.Rows; i++)
        {
            scaler.Apply(train.Row(i), residuals[i]);
            Counts[train.Labels[i]]++;
            double[] sum = Means[train.Labels[i]];
            for (int j = 0; j < width; j++)
                sum[j] += residuals[i][j];
        }

        for (int c = 0; c < Means.Length; c++)
        for (int j = 0; j < width; j++)
            Means[c][j] /= Counts[c];
        for (int i = 0; i < train.Rows; i++)
        for (int j = 0; j < width; j++)
            residuals[i][j] = (float)(residuals[i][j] - Means[train.Labels[i]][j]);
    }

    /// <summary>Class means [classes][width].</summary>
    public double[][] Means { get; }

    /// <summary>Rows of each class [classes].</summary>
    public int[] Counts { get; }

    /// <summary>S⁻¹·m of every class mean m [classes][width], S = (1 - s)·W + s·tr W/width·I.</summary>
    public double[][] Solve(double shrinkage)
    {
        int rows = residuals.Length;
        double variance = residuals.Sum(row => Simd.DotWide(row, row)) / rows / width,
            part = (1 - shrinkage) / rows,
            ridge = shrinkage * variance;
        if (variance == 0)
            return [.. Means.Select(mean => Array.ConvertAll(mean, value => value / width))];
        if (rows > width)
            return Primal(part, ridge);
        Cholesky factor = Factor(residuals, part, ridge);
        return [.. Means.Select(mean => Dual(factor, mean, part, ridge))];
    }

    // (ridge·I + part·RᵀR)⁻¹·m = (m - part·Rᵀ·(ridge·I + part·RRᵀ)⁻¹·R·m) / ridge.
    private double[] Dual(Cholesky factor, double[] mean, double part, double ridge)
    {
        double[] image = [.. residuals.Select(row => Product(row, mean))],
            solved = [.. mean];
        factor.Solve(image);
        for (int i = 0; i < residuals.Length; i++)
        for (int j = 0; j < width; j++)
            solved[j] -= part * image[i] * residuals[i][j];
        for (int j = 0; j < width; j++)
            solved[j] /= ridge;
        return solved;
    }

    private double[][] Primal(double part, double ridge)
    {
        float[][] columns = [.. Enumerable.Range(0, width).Select(_ => new float[residuals.Length])];
        for (int i = 0; i < residuals.Length; i++)
        for (int j = 0; j < width; j++)
            columns[j][i] = residuals[i][j];
        Cholesky factor = Factor(columns, part, ridge);
        double[][] solved = [.. Means.Select(mean => (double[])mean.Clone())];
        foreach (double[] row in solved)
            factor.Solve(row);
        return solved;
    }

    private Cholesky Factor(float[][] vectors, double part, double ridge)
    {
        var products = new double[vectors.Length][];
        Parallel.For(
            0,
            vectors.Length,
            parallel,
            i =>
            {
                products[i] = new double[i + 1];
                for (int j = 0; j <= i; j++)
                    products[i][j] = part * Simd.DotWide(vectors[i], vectors[j]);
                products[i][i] += ridge;
            }
        );
        return Cholesky.Factor(products, parallel)
            ?? throw new InvalidOperationException(
                "A covariance with at least 1 % of its mean variance on the diagonal is positive definite."
            );
    }

    private static double Product(float[] row, double[] vector)
    {
        double sum = 0;
        for (int j = 0; j < row.Length; j++)
            sum += row[j] * vector[j];
        return sum;
    }
}
