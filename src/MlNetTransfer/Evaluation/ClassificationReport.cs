using System.Numerics.Tensors;

namespace MlNetTransfer.Evaluation;

/// <summary>How well predicted probabilities agree with the true labels. Immutable.</summary>
public sealed class ClassificationReport
{
    /// <summary>
    /// Probabilities below this count as this in the log-loss, so that one confident mistake costs at most 34.5 nats.
    /// </summary>
    public const double SmallestProbability = 1e-15;

    private readonly Lazy<ClassificationMetrics> metrics;
    private readonly Lazy<RankingScores> ranking;

    private ClassificationReport(
        IReadOnlyList<string> classNames,
        int[][] confusion,
        double logLoss,
        double calibrationError,
        Func<ClassificationMetrics> measure,
        Func<RankingScores> rank
    )
    {
        metrics = new Lazy<ClassificationMetrics>(measure);
        ranking = new Lazy<RankingScores>(rank);
        (ClassNames, Confusion, LogLoss, CalibrationError) = (
            classNames,
            Array.ConvertAll(confusion, Array.AsReadOnly),
            logLoss,
            calibrationError
        );
        Rows = confusion.Sum(row => row.Sum());
        int correct = Enumerable.Range(0, classNames.Count).Sum(i => confusion[i][i]);
        Accuracy = (double)correct / Rows;
        AccuracyInterval = WilsonInterval.Of(correct, Rows);
        PerClass = [.. Enumerable.Range(0, classNames.Count).Select(i => Score(classNames[i], i, confusion))];
        MacroF1 = PerClass.Average(score => score.F1);
    }

    /// <summary>Names of the classes; the index is the label.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Number of rows judged.</summary>
    public int Rows { get; }

    /// <summary>Share of rows whose likeliest class is the true one, in [0, 1].</summary>
    public double Accuracy { get; }

    /// <summary>95 % Wilson interval of the accuracy.</summary>
    public Interval AccuracyInterval { get; }

    /// <summary>
    /// Mean of -ln(probability of the true class), in nats; probabilities are clipped below at
    /// <see cref="SmallestProbability"/> and not renormalised.
    /// </summary>
    public double LogLoss { get; }

    /// <summary>
    /// Expected calibration error in [0, 1]: Σ share of bin · |accuracy - mean confidence| over 15 bins of equal width
    /// on the highest probability, each bin open below and closed above (Guo et al., On Calibration of Modern Neural
    /// Networks, 2017).
    /// </summary>
    public double CalibrationError { get; }

    /// <summary>Rows counted by true class (outer) and predicted class (inner) [classes × classes].</summary>
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; }

    /// <summary>Scores of every class, in the order of <see cref="ClassNames"/>.</summary>
    public IReadOnlyList<ClassScore> PerClass { get; }

    /// <summary>Mean F1 over all classes, those without a row included (with 0).</summary>
    public double MacroF1 { get; }

    /// <summary>Further figures with their bootstrap intervals; measured when they are asked for.</summary>
    public ClassificationMetrics Metrics => metrics.Value;

    /// <summary>How well each class's probability ranks the rows; measured when it is asked for.</summary>
    public RankingScores Ranking => ranking.Value;

    /// <summary>Judges predictions.</summary>
    /// <param name="classNames">Names of the classes [classes]; the index is the label.</param>
    /// <param name="labels">True labels [rows], each in [0, classes); at least one row.</param>
    /// <param name="probabilities">Predicted probabilities [rows × classes], row-major; each row sums to 1 (within
    /// 0.01, for the rounding of half-precision models).</param>
    /// <returns>The report. The predicted class is the likeliest; of equal ones, that with the lower index.</returns>
    /// <exception cref="ArgumentException">Lengths do not agree, a label is out of range, or a row is no distribution;
    /// the message says which.</exception>
    public static ClassificationReport Of(
        IReadOnlyList<string> classNames,
        ReadOnlySpan<int> labels,
        ReadOnlySpan<float> probabilities
    )
    {
        int classes = classNames.Count;
        if (labels.Length == 0)
            throw new ArgumentException("There are 0 rows to judge; give at least 1.", nameof(labels));
        if ((long)labels.Length * classes != probabilities.Length)
            throw new ArgumentException(
                $"{labels.Length} rows of {classes} classes need {(long)labels.Length * classes} probabilities, not "
                    + $"{probabilities.Length}.",
                nameof(probabilities)
            );
        int[][] confusion = [.. Enumerable.Range(0, classes).Select(_ => new int[classes])];
        var bins = new CalibrationBins(15);
        double loss = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            if ((uint)labels[i] >= (uint)classes)
                throw new ArgumentException(
                    $"Row {i} has label {labels[i]}; labels go from 0 to {classes - 1}.",
                    nameof(labels)
                );
            ReadOnlySpan<float> row = probabilities.Slice(i * classes, classes);
            int predicted = Likeliest(row, i);
            confusion[labels[i]][predicted]++;
            loss += JudgedRows.Loss(row[labels[i]]);
            bins.Add(row[predicted], predicted == labels[i]);
        }

        (int[] truth, float[] said) = (labels.ToArray(), probabilities.ToArray());
        return new ClassificationReport(
            [.. classNames],
            confusion,
            loss / labels.Length,
            bins.Error,
            () => ClassificationMetrics.Of(truth, said, classes),
            () => RankingScores.Of([.. classNames], truth, said)
        );
    }

    private static int Likeliest(ReadOnlySpan<float> row, int index)
    {
        double sum = 0;
        int best = 0;
        for (int c = 0; c < row.Length; c++)
        {
            if (!(row[c] >= 0))
                throw new ArgumentException(
                    $"Row {index} has probability {row[c]} for class {c}; probabilities go from 0 to 1.",
                    nameof(row)
                );
            sum += row[c];
            if (row[c] > row[best])
                best = c;
        }

        return Math.Abs(sum - 1) <= 0.01
            ? best
            : throw new ArgumentException(
                $"The probabilities of row {index} sum to {sum:g6} instead of 1. Are they logits? Then take the "
                    + $"softmax first.",
                nameof(row)
            );
    }

    private static ClassScore Score(string name, int index, int[][] confusion)
    {
        int hits = confusion[index][index],
            support = confusion[index].Sum(),
            predicted = confusion.Sum(row => row[index]);
        static double Share(int part, int whole) => whole == 0 ? 0 : (double)part / whole;
        return new ClassScore(
            name,
            Share(hits, predicted),
            Share(hits, support),
            Share(2 * hits, predicted + support),
            support
        );
    }
}

/// <summary>Row by row, what a report sums up.</summary>
internal static class JudgedRows
{
    /// <summary>-ln of the probability of the true class (nats).</summary>
    public static double Loss(float probability) =>
        -Math.Log(Math.Max(probability, ClassificationReport.SmallestProbability));

    /// <summary>That of each row [rows].</summary>
    /// <param name="labels">True labels [rows].</param>
    /// <param name="probabilities">[rows × classes], row-major.</param>
    /// <param name="classes">Number of classes.</param>
    public static double[] Losses(IReadOnlyList<int> labels, ReadOnlyMemory<float> probabilities, int classes) =>
        [.. labels.Select((label, i) => Loss(probabilities.Span[i * classes + label]))];

    /// <summary>Whether the true class has the highest score, the first of equal ones [rows].</summary>
    /// <param name="labels">True labels [rows].</param>
    /// <param name="scores">Probabilities or logits [rows × classes], row-major.</param>
    /// <param name="classes">Number of classes.</param>
    public static bool[] Right(IReadOnlyList<int> labels, ReadOnlyMemory<float> scores, int classes) =>
        [.. labels.Select((label, i) => TensorPrimitives.IndexOfMax(scores.Span.Slice(i * classes, classes)) == label)];
}

/// <summary>How well one class is told from the others.</summary>
/// <param name="Name">Name of the class.</param>
/// <param name="Precision">Rows of the class among those predicted as it, in [0, 1]; 0 where none was predicted as
/// it.</param>
/// <param name="Recall">Rows predicted as the class among those of it, in [0, 1]; 0 where there is no row of
/// it.</param>
/// <param name="F1">Harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN); 0 where both are 0.</param>
/// <param name="Support">Rows of the class.</param>
public sealed record ClassScore(string Name, double Precision, double Recall, double F1, int Support);

/// <summary>
/// Collects (confidence, right or wrong) into bins of equal width, ((m-1)/M, m/M], and sums their calibration gaps.
/// </summary>
internal sealed class CalibrationBins(int bins)
{
    private readonly double[] confidence = new double[bins];
    private readonly int[] correct = new int[bins];
    private int rows;

    /// <summary>Σ share · |accuracy - mean confidence| = Σ |correct - Σ confidence| / rows.</summary>
    public double Error => confidence.Zip(correct, (sum, hits) => Math.Abs(hits - sum)).Sum() / rows;

    public void Add(double probability, bool hit)
    {
        int bin = Math.Clamp((int)Math.Ceiling(probability * bins) - 1, 0, bins - 1);
        confidence[bin] += probability;
        if (hit)
            correct[bin]++;
        rows++;
    }
}
