using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>What two models make of the same labelled images.</summary>
internal sealed class ModelComparison
{
    /// <summary>One-sided 5 % point of the standard normal distribution.</summary>
    private const double Significant = 1.6448536269514722;

    /// <param name="classNames">The classes.</param>
    /// <param name="labels">True labels [rows].</param>
    /// <param name="first">Probabilities of float32 [rows × classes].</param>
    /// <param name="second">Probabilities of int8 [rows × classes].</param>
    /// <param name="maxLoss">The most that may be lost, as a share.</param>
    public ModelComparison(
        IReadOnlyList<string> classNames,
        int[] labels,
        float[] first,
        float[] second,
        double maxLoss
    )
    {
        int classes = classNames.Count;
        int[] a = Likeliest(first, classes),
            b = Likeliest(second, classes);
        bool[] right = [.. labels.Zip(a, (l, p) => l == p)],
            rightToo = [.. labels.Zip(b, (l, p) => l == p)];
        Difference = PairedDifference.Of(right, rightToo);
        LabelFlips = a.Zip(b).Count(p => p.First != p.Second);
        FloatAccuracy = right.Count(r => r) / (double)labels.Length;
        Int8Accuracy = rightToo.Count(r => r) / (double)labels.Length;
        MeanProbabilityDifference = first.Zip(second, (p, q) => (double)Math.Abs(p - q)).Average();
        AccuracyBeyondBound = IsBeyond(Difference, maxLoss);
        Classes =
        [
            .. classNames.Select(
                (name, label) =>
                {
                    int[] rows = [.. Enumerable.Range(0, labels.Length).Where(i => labels[i] == label)];
                    PairedDifference change = PairedDifference.Of(
                        [.. rows.Select(r => right[r])],
                        [.. rows.Select(r => rightToo[r])]
                    );
                    return new ClassChange(
                        name,
                        rows.Length,
                        Share(rows, right),
                        Share(rows, rightToo),
                        change.Gained,
                        change.Lost,
                        IsBeyond(change, maxLoss)
                    );
                }
            ),
        ];
    }

    public PairedDifference Difference { get; }

    public int LabelFlips { get; }

    public double FloatAccuracy { get; }

    public double Int8Accuracy { get; }

    public double MeanProbabilityDifference { get; }

    public bool AccuracyBeyondBound { get; }

    public IReadOnlyList<ClassChange> Classes { get; }

    public bool BeyondBound => AccuracyBeyondBound || Classes.Any(c => c.BeyondBound);

    /// <summary>The losses beyond the bound, for messages.</summary>
    public string Losses() =>
        string.Join(
            "; ",
            Classes
                .Where(c => c.BeyondBound)
                .Select(c =>
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"class '{c.Name}' {100 * c.FloatRecall:f1} % to {100 * c.Int8Recall:f1} % ({c.Lost} lost, "
                            + $"{c.Gained} gained of {c.Images})"
                    )
                )
                .Concat(
                    AccuracyBeyondBound
                        ?
                        [
                            string.Create(
                                System.Globalization.CultureInfo.InvariantCulture,
                                $"accuracy {100 * FloatAccuracy:f1} % to {100 * Int8Accuracy:f1} % "
                                    + $"({Difference.Lost} lost, {Difference.Gained} gained of {Difference.Rows})"
                            ),
                        ]
                        : []
                )
        );

    private static bool IsBeyond(PairedDifference difference, double maxLoss) =>
        difference.Value < -maxLoss && difference.Score(-maxLoss) < -Significant;

    private static double Share(int[] rows, bool[] right) =>
        rows.Length == 0 ? 0 : rows.Count(r => right[r]) / (double)rows.Length;

    private static int[] Likeliest(float[] probabilities, int classes) =>
        [
            .. Enumerable
                .Range(0, probabilities.Length / classes)
                .Select(row => Enumerable.Range(0, classes).MaxBy(c => probabilities[row * classes + c])),
        ];
}

/// <summary>What quantisation does to one class.</summary>
/// <param name="Name">Name of the class.</param>
/// <param name="Images">Held-out images of the class.</param>
/// <param name="FloatRecall">Share of them that float32 gets right; 0 without images.</param>
/// <param name="Int8Recall">Share of them that int8 gets right; 0 without images.</param>
/// <param name="Gained">Images that only int8 gets right.</param>
/// <param name="Lost">Images that only float32 gets right.</param>
/// <param name="BeyondBound">Whether more is lost than the bound and the number of images allow.</param>
public sealed record ClassChange(
    string Name,
    int Images,
    double FloatRecall,
    double Int8Recall,
    int Gained,
    int Lost,
    bool BeyondBound
)
{
    /// <summary>Recall of int8 less that of float32.</summary>
    public double Change => new PairedDifference(Gained, Lost, Images).Value;
}

/// <summary>What int8 costs and gains beside float32, on held-out images.</summary>
public sealed record QuantizationReport
{
    /// <summary>Images that both models were judged on.</summary>
    public required int Images { get; init; }

    /// <summary>Accuracy of float32, in [0, 1].</summary>
    public required double FloatAccuracy { get; init; }

    /// <summary>Accuracy of int8, in [0, 1].</summary>
    public required double Int8Accuracy { get; init; }

    /// <summary>Accuracy of int8 less that of float32, by the images that only one gets right.</summary>
    public required PairedDifference Difference { get; init; }

    /// <summary>95 % score interval of the difference: see <see cref="PairedDifference"/>.</summary>
    public required Interval DifferenceInterval { get; init; }

    /// <summary>Images whose likeliest class changed.</summary>
    public required int LabelFlips { get; init; }

    /// <summary>Mean absolute difference of the probabilities.</summary>
    public required double MeanProbabilityDifference { get; init; }

    /// <summary>The classes, in their order.</summary>
    public required IReadOnlyList<ClassChange> Classes { get; init; }

    /// <summary>
    /// Whether the accuracy over all classes loses more than the bound and the number of images allow.
    /// </summary>
    public required bool AccuracyBeyondBound { get; init; }

    /// <summary>Bytes of the float32 file.</summary>
    public required long FloatBytes { get; init; }

    /// <summary>Bytes of the int8 file.</summary>
    public required long Int8Bytes { get; init; }

    /// <summary>Speed; null where it was not measured.</summary>
    public SpeedRatio? Speed { get; init; }

    /// <summary>How ranges were chosen.</summary>
    public required RangeCalibration Calibration { get; init; }

    /// <summary>Images that ranges were taken from.</summary>
    public required int CalibrationImages { get; init; }

    /// <summary>Layers that run on bytes.</summary>
    public required int Int8Layers { get; init; }

    /// <summary>Layers left in float, from the input to the output.</summary>
    public required IReadOnlyList<string> FloatLayers { get; init; }

    /// <summary>The layers by what they cost, the worst first; empty where it was not measured.</summary>
    public IReadOnlyList<LayerSensitivity> Sensitivities { get; init; } = [];

    /// <summary>
    /// How often held-out images decided about layers: 1 is a single look; more make the figures above slightly kind.
    /// </summary>
    public required int Looks { get; init; }

    /// <summary>Images that could not be used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>Whether a class or the whole loses more than the bound and the number of images allow.</summary>
    public bool BeyondBound => AccuracyBeyondBound || Classes.Any(c => c.BeyondBound);
}

/// <summary>
/// What a quantised model's file says of its quantisation. Times are left out, so that equal images, model and options
/// give equal bytes.
/// </summary>
public static class Int8Metadata
{
    /// <summary>Key of the entry in the file's metadata; its value is JSON.</summary>
    public const string Key = "mlnet_transfer.int8";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    internal static string Of(QuantizationReport report, Int8Options options) =>
        JsonSerializer.Serialize(
            new
            {
                Calibration = report.Calibration.Method.ToString(),
                Percentile = report.Calibration.Method == CalibrationMethod.Percentile
                    ? report.Calibration.Percentile
                    : (double?)null,
                report.CalibrationImages,
                WeightBits = options.WeightBits.ToString(),
                report.Int8Layers,
                report.FloatLayers,
                report.Images,
                report.FloatAccuracy,
                report.Int8Accuracy,
                report.DifferenceInterval,
                IntervalMethod = $"95 % score interval for paired proportions (Tango 1998), "
                    + $"{nameof(PairedDifference.Gained).ToLowerInvariant()} {report.Difference.Gained}, "
                    + $"{nameof(PairedDifference.Lost).ToLowerInvariant()} {report.Difference.Lost}",
                report.LabelFlips,
                Classes = report.Classes.Select(c => new
                {
                    c.Name,
                    c.Images,
                    c.FloatRecall,
                    c.Int8Recall,
                }),
                report.Looks,
            },
            Json
        );
}

/// <summary>Runs two graphs over the same tensors in turns, so that what else the machine does falls on both.</summary>
/// <param name="clock">Measures the time.</param>
internal sealed class SpeedMeter(TimeProvider clock)
{
    public SpeedRatio Run(
        ItemGraph single,
        ItemGraph int8,
        IReadOnlyList<float[]> tensors,
        int rounds,
        CancellationToken cancellation
    )
    {
        using ItemGraphWorker first = single.CreateWorker(),
            second = int8.CreateWorker();
        var row = new float[single.OutputWidth];
        var times = new List<(double Float, double Int8)>();
        // The first round only warms up.
        for (int round = 0; round <= rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            double a = 0,
                b = 0;
            foreach (float[] tensor in tensors)
            {
                a += Seconds(first, tensor, row);
                b += Seconds(second, tensor, row);
            }

            if (round > 0)
                times.Add((a / tensors.Count, b / tensors.Count));
        }

        double[] ratios = [.. times.Select(t => t.Float / t.Int8).Order()];
        return new SpeedRatio(
            1 / Median([.. times.Select(t => t.Float).Order()]),
            1 / Median([.. times.Select(t => t.Int8).Order()]),
            Median(ratios),
            ratios[0],
            ratios[^1],
            rounds
        );
    }

    private double Seconds(ItemGraphWorker worker, float[] tensor, float[] row)
    {
        long started = clock.GetTimestamp();
        worker.Run(tensor, row);
        return Math.Max(clock.GetElapsedTime(started).TotalSeconds, 1e-9);
    }

    private static double Median(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}

/// <summary>Speed of int8 beside float32 on the same images without decoding, one thread, in turns.</summary>
/// <param name="FloatImagesPerSecond">Of float32, the median round.</param>
/// <param name="Int8ImagesPerSecond">Of int8, the median round.</param>
/// <param name="Ratio">Int8 over float32: the median of the rounds' ratios.</param>
/// <param name="LeastRatio">The least ratio of a round.</param>
/// <param name="MostRatio">The greatest ratio of a round.</param>
/// <param name="Rounds">Rounds.</param>
public sealed record SpeedRatio(
    double FloatImagesPerSecond,
    double Int8ImagesPerSecond,
    double Ratio,
    double LeastRatio,
    double MostRatio,
    int Rounds
);
