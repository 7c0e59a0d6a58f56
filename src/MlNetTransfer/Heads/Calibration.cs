using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>How to calibrate a head. Immutable; an invalid instance cannot be made.</summary>
public sealed record CalibratedTrainerOptions
{
    /// <summary>Folds, in [2, 20]; never more than rows. Default 5.</summary>
    public int Folds
    {
        get;
        init => field = Check.InRange(value, 2, 20, nameof(Folds));
    } = 5;

    /// <summary>Seed of the division into folds. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>How much a held-out row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>
    /// Folds at the same time, in [1, 1024]; the result does not depend on it. Default 1: most trainers use all cores
    /// themselves.
    /// </summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = 1;
}

/// <summary>
/// Fits a head on all rows and calibrates it by cross-validation: any trainer's probabilities become as sure as they
/// are right.
/// </summary>
/// <remarks>
/// The temperature is that of the out-of-fold logits (<see cref="CrossValidation"/>,
/// <see cref="TemperatureCalibration"/>), which costs one fit more per fold. Where every class has a single row,
/// nothing can be held out and the temperature is 1.
/// </remarks>
/// <param name="inner">Fits the head.</param>
/// <param name="options">How to calibrate; null for the defaults.</param>
public sealed class CalibratedTrainer(IHeadTrainer inner, CalibratedTrainerOptions? options = null) : IHeadTrainer
{
    private readonly CalibratedTrainerOptions options = options ?? new CalibratedTrainerOptions();

    /// <inheritdoc/>
    public IHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    ) => Calibrate(train, progress, cancellation).Head;

    /// <summary>As <see cref="Fit"/>, with the calibration that the head brings.</summary>
    internal (IHead Head, TemperatureCalibration Calibration) Calibrate(
        FeatureTable train,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        HeadRows.CheckTrainable(train);
        int[] fold = CrossValidation.Folds(train.Labels, options.Folds, options.Seed, train.ClassNames);
        TemperatureCalibration calibration = TemperatureCalibration.Fit(
            CrossValidation.OutOfFold(inner, train, fold, options.Workers, progress, cancellation),
            ClassWeighting.Of(train, options.ClassWeights)
        );
        return (calibration.Apply(inner.Fit(train, progress, cancellation)), calibration);
    }
}

/// <summary>Another head with its logits divided by a temperature. Immutable.</summary>
public sealed class CalibratedHead : IHead
{
    private readonly float scale;

    /// <summary>Wraps a head.</summary>
    /// <param name="inner">The head.</param>
    /// <param name="temperature">T, in [1e-4, 1e4]; see <see cref="TemperatureCalibration"/>.</param>
    public CalibratedHead(IHead inner, double temperature)
    {
        (Inner, Temperature) = (
            inner,
            Check.InRange(
                temperature,
                TemperatureCalibration.Lowest,
                TemperatureCalibration.Highest,
                nameof(temperature)
            )
        );
        scale = (float)(1 / temperature);
    }

    /// <summary>The head before calibration.</summary>
    public IHead Inner { get; }

    /// <summary>What its logits are divided by.</summary>
    public double Temperature { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => Inner.ClassNames;

    /// <inheritdoc/>
    public int Width => Inner.Width;

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits)
    {
        Inner.Logits(rows, logits);
        foreach (ref float logit in logits)
            logit *= scale;
    }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities)
    {
        Logits(rows, probabilities);
        for (int i = 0; i < probabilities.Length; i += ClassNames.Count)
            Softmax.InPlace(probabilities.Slice(i, ClassNames.Count));
    }

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    public string AddTo(HeadGraph graph) =>
        graph.Node("Mul", "calibrated", [Inner.AddTo(graph), graph.Floats("head.scale", [scale], 1)]);
}

/// <summary>
/// One factor on the logits that makes a head as sure as it is right: p_T ∝ p^(1/T), which moves no class past another.
/// </summary>
/// <remarks>
/// T minimises the mean log-loss of held-out rows (Guo et al., On Calibration of Modern Neural Networks, 2017). It
/// works on logits, so that classes whose probability rounds to 0 keep their order; a head without logits of its own
/// states what a probability of 0 counts as (<see cref="KNearestNeighboursHead.SmallestShare"/>). T is never so high
/// that, in the root mean square, the highest logit of a held-out row comes closer than 0.1 to the row's mean: where
/// nothing can be learnt the order of the classes still shows in float32 probabilities.
/// </remarks>
/// <param name="Temperature">T, in [1e-4, 1e4]: above 1 the head was too sure, below 1 not sure enough; 1 where no row
/// could be judged.</param>
/// <param name="LogLossBefore">Mean log-loss (nats) of the held-out rows at T = 1; NaN where there was none.</param>
/// <param name="LogLoss">Mean log-loss (nats) at <paramref name="Temperature"/>; NaN where there was none.</param>
/// <param name="Rows">Held-out rows that were judged.</param>
public sealed record TemperatureCalibration(double Temperature, double LogLossBefore, double LogLoss, int Rows)
{
    internal const double Lowest = 1e-4,
        Highest = 1e4;

    /// <summary>Fits T to held-out predictions; rows of a class that their head did not know do not count.</summary>
    public static TemperatureCalibration Fit(OutOfFoldPredictions predictions) => Fit(predictions, null);

    /// <summary>As <see cref="Fit(OutOfFoldPredictions)"/>, with what a row of each class counts [classes].</summary>
    internal static TemperatureCalibration Fit(OutOfFoldPredictions predictions, double[]? weight) =>
        Fit(predictions.Judged(weight));

    /// <summary>Fits T to held-out logits.</summary>
    internal static TemperatureCalibration Fit(HeldOutLogits judged)
    {
        if (judged.Rows == 0)
            return new TemperatureCalibration(1, double.NaN, double.NaN, 0);
        double scale = judged.Temper();
        return new TemperatureCalibration(1 / scale, judged.Judge(1).LogLoss, judged.Judge(scale).LogLoss, judged.Rows);
    }

    /// <summary>
    /// The calibrated head: for a linear head a linear head with W/T and b/T, for others a
    /// <see cref="CalibratedHead"/>.
    /// </summary>
    public IHead Apply(IHead head)
    {
        if (Temperature == 1)
            return head;
        if (head is not ILinearHead linear)
            return new CalibratedHead(head, Temperature);
        float[] Scaled(ReadOnlyMemory<float> values) =>
            Array.ConvertAll(values.ToArray(), value => (float)(value / Temperature));
        return new LinearHead(head.ClassNames, head.Width, Scaled(linear.Weights), Scaled(linear.Bias));
    }
}

/// <summary>
/// Logits of rows that the models which made them were not fitted on: what a penalty and the logits' scale are judged
/// by.
/// </summary>
/// <param name="classes">Number of classes.</param>
internal sealed class HeldOutLogits(int classes)
{
    private readonly List<float> logits = [];
    private readonly List<(int Label, double Weight)> rows = [];

    /// <summary>Number of rows.</summary>
    public int Rows => rows.Count;

    /// <summary>
    /// Whether the scale takes each row's own class for right with (rows + 1) / (rows + 2) only and spreads the rest
    /// over all (Platt, Probabilistic outputs for support vector machines, 1999): a handful of rows that are all right
    /// would otherwise make the model as sure as float32 can be.
    /// </summary>
    public bool AreFew { get; init; }

    public void Add(ReadOnlySpan<float> row, int label, double weight)
    {
        logits.AddRange(row);
        rows.Add((label, weight));
    }

    /// <summary>
    /// The factor s in [low, high] that minimises the mean log-loss of softmax(s·logits): temperature scaling (Guo et
    /// al., 2017). The loss is convex in s; Newton's method, kept within the bracket that the slopes' signs leave.
    /// </summary>
    public double Scale(double low = 0.01, double high = 100)
    {
        double s = Math.Clamp(1, low, high);
        for (int i = 0; i < 50 && high - low > 1e-6 * s; i++)
        {
            (double slope, double curvature) = Slopes(s);
            if (slope > 0)
                high = s;
            else
                low = s;
            double next = s - slope / curvature;
            if (Math.Abs(next - s) < 1e-6 * s)
                break;
            s = next > low && next < high ? next : Math.Sqrt(low * high);
        }

        return s;
    }

    /// <summary>
    /// <see cref="Scale"/> within bounds that suit logits of any size: never so small that the highest logit of a row
    /// is, in the root mean square, less than 0.1 above the row's mean. Rows that cannot be told apart at all would
    /// otherwise flatten the probabilities until float32 loses their order.
    /// </summary>
    public double Temper()
    {
        double squares = 0;
        for (int i = 0; i < rows.Count; i++)
        {
            double sum = 0,
                top = double.NegativeInfinity;
            int known = 0;
            foreach (float z in Row(i))
            {
                if (z <= OutOfFoldPredictions.Unknown)
                    continue;
                (sum, top, known) = (sum + z, Math.Max(top, z), known + 1);
            }

            squares += Math.Pow(top - sum / known, 2);
        }

        double spread = Math.Sqrt(squares / rows.Count);
        return spread > 0
            ? Scale(
                Math.Clamp(0.1 / spread, 1 / TemperatureCalibration.Highest, 1 / TemperatureCalibration.Lowest),
                1 / TemperatureCalibration.Lowest
            )
            : 1;
    }

    /// <summary>
    /// Weighted mean log-loss and accuracy of softmax(scale·logits), and the loss's standard error √(Σ w²(loss -
    /// mean)²) / Σ w.
    /// </summary>
    public HeldOut Judge(double scale)
    {
        double weight = 0,
            loss = 0,
            hits = 0,
            squares = 0;
        var losses = new double[rows.Count];
        for (int i = 0; i < losses.Length; i++)
        {
            ReadOnlySpan<float> z = Row(i);
            (int label, double w) = rows[i];
            (losses[i], bool hit) = Loss(z, label, scale);
            weight += w;
            loss += w * losses[i];
            if (hit)
                hits += w;
        }

        for (int i = 0; i < losses.Length; i++)
            squares += Math.Pow(rows[i].Weight * (losses[i] - loss / weight), 2);
        return new HeldOut(loss / weight, Math.Sqrt(squares) / weight, hits / weight, scale);
    }

    /// <summary>Log-loss of softmax(scale·logits) of each row (nats).</summary>
    public double[] Losses(double scale) =>
        [.. Enumerable.Range(0, rows.Count).Select(i => Loss(Row(i), rows[i].Label, scale).Loss)];

    /// <summary>
    /// How far one classifier is behind another on the same rows, by their losses: the weighted mean of the differences
    /// and its standard error.
    /// </summary>
    public (double Mean, double Error) Behind(double[] own, double[] other)
    {
        double weight = rows.Sum(row => row.Weight),
            mean = own.Select((loss, i) => rows[i].Weight * (loss - other[i])).Sum() / weight;
        return (
            mean,
            Math.Sqrt(own.Select((loss, i) => Math.Pow(rows[i].Weight * (loss - other[i] - mean), 2)).Sum()) / weight
        );
    }

    private static (double Loss, bool Hit) Loss(ReadOnlySpan<float> z, int label, double scale)
    {
        int best = 0;
        double sum = 0;
        for (int c = 1; c < z.Length; c++)
            if (z[c] > z[best])
                best = c;
        foreach (float logit in z)
            sum += Math.Exp(scale * (logit - z[best]));
        return (Math.Log(sum) - scale * (z[label] - z[best]), label == best);
    }

    // d/ds of the loss is E[z] - z(true) under softmax(s·z), its derivative the variance of z. With doubt d the target
    // is (1 - d)·z(true) + d·mean z.
    private (double Slope, double Curvature) Slopes(double s)
    {
        double slope = 0,
            curvature = 1e-12,
            doubt = AreFew ? 1.0 / (rows.Count + 2) * classes / (classes - 1) : 0;
        for (int i = 0; i < rows.Count; i++)
        {
            ReadOnlySpan<float> z = Row(i);
            (int label, double w) = rows[i];
            float top = z[0];
            foreach (float logit in z)
                top = MathF.Max(top, logit);
            double sum = 0,
                first = 0,
                second = 0,
                mean = 0;
            foreach (float logit in z)
            {
                double below = logit - top,
                    e = MathF.Exp((float)(s * below));
                sum += e;
                first += e * below;
                second += e * below * below;
                mean += below / classes;
            }

            first /= sum;
            slope += w * (first - (z[label] - top));
            if (AreFew)
                slope += w * doubt * (z[label] - top - mean);
            curvature += w * (second / sum - first * first);
        }

        return (slope, curvature);
    }

    private ReadOnlySpan<float> Row(int i) =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(logits).Slice(i * classes, classes);
}
