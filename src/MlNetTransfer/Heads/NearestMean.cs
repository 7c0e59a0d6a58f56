using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a nearest-mean head. Immutable; an invalid instance cannot be made.</summary>
public sealed record NearestMeanTrainerOptions
{
    /// <summary>
    /// How far every class mean is moved towards the mean of the class means, in [0, 1): of use for one or two rows per
    /// class. Default 0.
    /// </summary>
    public double Shrinkage
    {
        get;
        init => field = Check.InRange(value, 0, 0.999, nameof(Shrinkage));
    }

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>Fits class prototypes: works from one row per class on.</summary>
/// <remarks>
/// <para>On features standardised by the training rows, p(c) ∝ exp(-‖x - m_c‖² / 2v) with m_c the class means (Snell et
/// al., Prototypical Networks, 2017), moved to (1 - shrinkage)·m_c + shrinkage·mean of all m. ‖x‖² is the same for all
/// classes, so that the logits are linear: (m_c·x - ‖m_c‖²/2) / v. All classes count the same whatever their number of
/// rows; class weights bear on v alone.</para>
/// <para>v, which sets how sure the probabilities are, minimises the log-loss of the training rows, each judged by
/// means made without it (m_c - (x - m_c)/(n_c - 1) for its own class); rows of classes with a single row have no such
/// mean and do not vote. Where none votes, v is the number of features that vary.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class NearestMeanTrainer(NearestMeanTrainerOptions? options = null) : IHeadTrainer<NearestMeanHead>
{
    private readonly NearestMeanTrainerOptions options = options ?? new NearestMeanTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    internal static HeadKind Describe() =>
        new(
            "Prototype",
            s => new NearestMeanTrainer(
                new NearestMeanTrainerOptions { ClassWeights = s.ClassWeights, Workers = s.Workers }
            )
        )
        {
            IsLinear = true,
        };

    /// <inheritdoc/>
    public NearestMeanHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        var scaler = new FeatureScaler(
            train,
            new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation }
        );
        (double[][] means, int[] counts) = Means(train, scaler, cancellation);
        HeldOutLogits logits = LeaveOneOut(train, scaler, means, counts, cancellation);
        int varying = scaler.Scale.ToArray().Count(scale => scale > 0);
        double variance = Math.Max(1, varying);
        if (logits.Rows > 0)
            variance /= logits.Scale(1e-4, 1e4);
        double[][] shrunk = Shrink(means);
        float[] weights = [.. shrunk.SelectMany(mean => mean.Select(value => (float)(value / variance)))];
        float[] bias = [.. shrunk.Select(mean => (float)(-0.5 * mean.Sum(value => value * value) / variance))];
        scaler.FoldInto(weights, bias);
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new NearestMeanHead(train.ClassNames, train.Width, weights, bias, variance);
    }

    private static (double[][] Means, int[] Counts) Means(
        FeatureTable train,
        FeatureScaler scaler,
        CancellationToken cancellation
    )
    {
        double[][] means = [.. Enumerable.Range(0, train.Classes).Select(_ => new double[train.Width])];
        var counts = new int[train.Classes];
        var row = new float[train.Width];
        for (int i = 0; i < train.Rows; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            scaler.Apply(train.Row(i), row);
            counts[train.Labels[i]]++;
            double[] sum = means[train.Labels[i]];
            for (int j = 0; j < row.Length; j++)
                sum[j] += row[j];
        }

        for (int c = 0; c < means.Length; c++)
        for (int j = 0; j < train.Width; j++)
            means[c][j] /= counts[c];
        return (means, counts);
    }

    private double[][] Shrink(double[][] means)
    {
        double[] centre = [.. Enumerable.Range(0, means[0].Length).Select(j => means.Average(mean => mean[j]))];
        return
        [
            .. means.Select(mean =>
                mean.Select((value, j) => value + options.Shrinkage * (centre[j] - value)).ToArray()
            ),
        ];
    }

    // Logits at a variance of the number of varying features, where distances are near 1.
    private HeldOutLogits LeaveOneOut(
        FeatureTable train,
        FeatureScaler scaler,
        double[][] means,
        int[] counts,
        CancellationToken cancellation
    )
    {
        var logits = new HeldOutLogits(train.Classes);
        double[]? weight = ClassWeighting.Of(train, options.ClassWeights);
        double unit = Math.Max(1, scaler.Scale.ToArray().Count(scale => scale > 0));
        var row = new float[train.Width];
        var line = new float[train.Classes];
        double[][] shrunk = Shrink(means);
        for (int i = 0; i < train.Rows; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            int own = train.Labels[i];
            if (counts[own] < 2)
                continue;
            scaler.Apply(train.Row(i), row);
            double away = 1.0 / (counts[own] - 1);
            for (int c = 0; c < line.Length; c++)
            {
                double distance = 0,
                    towards = c == own ? away * (1 - options.Shrinkage) : 0;
                for (int j = 0; j < row.Length; j++)
                {
                    double mean = shrunk[c][j] - towards * (row[j] - means[own][j]);
                    distance += (row[j] - mean) * (row[j] - mean);
                }

                line[c] = (float)(-0.5 * distance / unit);
            }

            logits.Add(line, own, weight?[own] ?? 1);
        }

        return logits;
    }
}

/// <summary>
/// A prototype per class: the nearest class mean is the likeliest. Linear in the features. Immutable.
/// </summary>
public sealed class NearestMeanHead : LinearHead
{
    internal NearestMeanHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights,
        float[] bias,
        double variance
    )
        : base(classNames, width, weights, bias) => Variance = variance;

    /// <summary>The squared distance, in standardised features, by which probabilities fall by the factor √e.</summary>
    public double Variance { get; }
}
