using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>
/// How a model is quantised to int8, and what it may lose by it. Immutable; an invalid instance cannot be made.
/// </summary>
public sealed record Int8Options
{
    /// <summary>Images that ranges are taken from, drawn from those given, in [1, 100000]. Default 256.</summary>
    public int CalibrationImages
    {
        get;
        init => field = Check.InRange(value, 1, 100_000);
    } = 256;

    /// <summary>How the range of a tensor is chosen from its values. Default: from least to greatest.</summary>
    public RangeCalibration Calibration { get; init; } = new();

    /// <summary>How much of a byte the weights use. Default <see cref="WeightBits.Eight"/>.</summary>
    public WeightBits WeightBits { get; init; } = WeightBits.Eight;

    /// <summary>
    /// Whether the head, all that follows the features, runs on bytes too. Default: it stays in float32, where it costs
    /// next to nothing and its weights may be large.
    /// </summary>
    public bool QuantizeHead { get; init; }

    /// <summary>
    /// The most recall that a class, or accuracy that the whole, may lose, as a share in [0, 1]. A greater loss counts
    /// where it is beyond what the number of images explains: where the hypothesis that it is within the bound is
    /// rejected at 5 % from one side, see <see cref="Evaluation.PairedDifference.Score"/>. Default 0.02, two points.
    /// </summary>
    public double MaxLoss
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 0.02;

    /// <summary>
    /// Whether layers are left in float, the most sensitive first, until the bound holds. Default: a loss beyond the
    /// bound is an error that names those layers.
    /// </summary>
    public bool AutoFloat { get; init; }

    /// <summary>Names of layers that stay in float. Default none.</summary>
    public IReadOnlyList<string> FloatLayers
    {
        get;
        init => field = Names.Of(value);
    } = Names.Of([]);

    /// <summary>
    /// Images that the sensitivity of layers is measured on, in [1, 1024]; kept in memory. Default 16.
    /// </summary>
    public int SensitivityImages
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = 16;

    /// <summary>
    /// Rounds in which speed is measured, float and int8 in turns, in [0, 1000]; 0 to leave it out. Default 5.
    /// </summary>
    public int SpeedRounds
    {
        get;
        init => field = Check.InRange(value, 0, 1000);
    } = 5;

    /// <summary>Draws the calibration images. Default 1.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>
/// Finds which layers run on bytes: all but the head, or with <see cref="Int8Options.AutoFloat"/> the most for which
/// the bound holds.
/// </summary>
/// <remarks>
/// Layers are ordered by the error that each causes alone, on calibration images; held-out images only say whether the
/// bound holds. The number of layers left in float doubles until it does, so that they are looked at few times.
/// </remarks>
internal sealed class Int8Search(
    QuantizableGraph graph,
    OnnxModel onnx,
    ModelMetadata metadata,
    CalibrationValues values,
    Int8Options options,
    ImageLimits limits,
    ExecutionPlan plan,
    TimeProvider clock
)
{
    /// <summary>Layers that an error names.</summary>
    private const int Named = 5;

    private readonly IReadOnlyDictionary<string, ValueRange> ranges = values.Ranges(options.Calibration);
    private readonly string[] given =
    [
        .. options.FloatLayers,
        .. options.QuantizeHead ? [] : HeadLayers.Of(onnx, graph),
    ];
    private int looks;

    public Int8Model Run(
        IReadOnlyList<DataItem> heldOut,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        byte[] single = onnx.ToBytes();
        ItemRows expected = Rows(single, heldOut, "Scoring in float32", progress, cancellation);
        if (expected.Accepted.Length == 0)
            throw new TransferException(
                $"None of the {heldOut.Count} held-out images could be used; the first: "
                    + $"{expected.Rejected[0].File}: {expected.Rejected[0].Reason}."
            );
        int[] labels = [.. expected.Accepted.Select(i => heldOut[i].Label)];

        HashSet<string> inFloat = [.. given];
        (OnnxModel model, ModelComparison comparison) = Try(inFloat);
        IReadOnlyList<LayerSensitivity> sensitivities = [];
        if (comparison.BeyondBound)
        {
            string[] open = [.. graph.Layers.Select(l => l.Name).Where(n => !inFloat.Contains(n))];
            sensitivities = new SensitivityAnalysis(
                graph,
                ranges,
                options.WeightBits,
                metadata.Preprocessing,
                plan
            ).Run(open, values.Tensors, progress, cancellation);
            if (!options.AutoFloat)
                throw new TransferException(
                    $"Int8 loses more than {Points(options.MaxLoss)}: {comparison.Losses()}. {Remedy(sensitivities)}"
                );
            for (int count = 1; comparison.BeyondBound; count *= 2)
            {
                if (count >= open.Length)
                    throw new TransferException(
                        $"Int8 loses more than {Points(options.MaxLoss)}, whichever layers stay in float: "
                            + $"{comparison.Losses()}. Keep the float32 model, or allow a greater loss (--max-loss)."
                    );
                inFloat.UnionWith(sensitivities.Take(count).Select(s => s.Layer));
                (model, comparison) = Try(inFloat);
            }
        }

        return Finish(single, model, comparison, sensitivities, inFloat, expected, cancellation);

        (OnnxModel Model, ModelComparison Comparison) Try(HashSet<string> layers)
        {
            OnnxModel quantized = graph.Quantize(ranges, layers, options.WeightBits);
            ItemRows found = Rows(quantized.ToBytes(), heldOut, "Scoring in int8", progress, cancellation);
            looks++;
            if (!found.Accepted.SequenceEqual(expected.Accepted))
                throw new TransferException(
                    "Held-out images could be read in one run and not in the other. Run again when the images do "
                        + "not change."
                );
            return (
                quantized,
                new ModelComparison(metadata.Labels, labels, expected.Values, found.Values, options.MaxLoss)
            );
        }
    }

    private Int8Model Finish(
        byte[] single,
        OnnxModel model,
        ModelComparison comparison,
        IReadOnlyList<LayerSensitivity> sensitivities,
        HashSet<string> inFloat,
        ItemRows expected,
        CancellationToken cancellation
    )
    {
        var report = new QuantizationReport
        {
            Images = expected.Accepted.Length,
            FloatAccuracy = comparison.FloatAccuracy,
            Int8Accuracy = comparison.Int8Accuracy,
            Difference = comparison.Difference,
            DifferenceInterval = comparison.Difference.Interval(),
            LabelFlips = comparison.LabelFlips,
            MeanProbabilityDifference = comparison.MeanProbabilityDifference,
            Classes = comparison.Classes,
            AccuracyBeyondBound = comparison.AccuracyBeyondBound,
            FloatBytes = single.Length,
            Int8Bytes = 0,
            Calibration = options.Calibration,
            CalibrationImages = values.Images,
            Int8Layers = graph.Layers.Count - inFloat.Count,
            FloatLayers = [.. graph.Layers.Select(l => l.Name).Where(inFloat.Contains)],
            Sensitivities = sensitivities,
            Looks = looks,
            Rejected = [.. values.Rejected, .. expected.Rejected],
        };
        OnnxModel final = model.WithMetadata(Int8Metadata.Key, Int8Metadata.Of(report, options));
        byte[] bytes = final.ToBytes();
        return new Int8Model(
            final,
            report with
            {
                Int8Bytes = bytes.Length,
                Speed = Speed(single, bytes, cancellation),
            }
        );
    }

    private SpeedRatio? Speed(byte[] single, byte[] int8, CancellationToken cancellation)
    {
        if (options.SpeedRounds == 0)
            return null;
        using var first = new ItemGraph(
            single,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        using var second = new ItemGraph(
            int8,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        return new SpeedMeter(clock).Run(first, second, values.Tensors, options.SpeedRounds, cancellation);
    }

    private ItemRows Rows(
        byte[] bytes,
        IReadOnlyList<DataItem> items,
        string stage,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var runnable = new ItemGraph(
            bytes,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        return new ItemRunner(runnable).Run(items, stage, progress, cancellation);
    }

    private static string Points(double loss) => FormattableString.Invariant($"{100 * loss:g3} points");

    private static string WithError(LayerSensitivity s) =>
        FormattableString.Invariant($"'{s.Layer}' (error {s.Error:g2})");

    private static string Remedy(IReadOnlyList<LayerSensitivity> sensitivities) =>
        "Leave the layers in float that cost most, "
        + string.Join(", ", sensitivities.Take(Named).Select(WithError))
        + ", let them be found (--auto-float), or allow a greater loss (--max-loss).";
}

/// <summary>A quantised model and what it costs and gains.</summary>
/// <param name="Onnx">The model: same inputs, outputs and metadata as the float one, and the entry
/// <see cref="Int8Metadata.Key"/>. <see cref="OnnxModel.Save"/> writes it, <see cref="TransferModel.Load"/> reads
/// it.</param>
/// <param name="Report">Measured on held-out images.</param>
public sealed record Int8Model(OnnxModel Onnx, QuantizationReport Report);

/// <summary>Measures what each layer costs when it alone runs on bytes.</summary>
/// <param name="graph">The model.</param>
/// <param name="ranges">Ranges of its tensors.</param>
/// <param name="bits">How much of a byte the weights use.</param>
/// <param name="preprocessing">What the tensors went through.</param>
/// <param name="plan">Its workers measure layers side by side; the figures do not depend on their number.</param>
internal sealed class SensitivityAnalysis(
    QuantizableGraph graph,
    IReadOnlyDictionary<string, ValueRange> ranges,
    WeightBits bits,
    Preprocessing preprocessing,
    ExecutionPlan plan
)
{
    /// <summary>The error of each layer, the worst first; of equal ones, the one nearer to the input.</summary>
    /// <param name="layers">The layers to measure.</param>
    /// <param name="tensors">Images [3 × Size × Size].</param>
    /// <param name="progress">Told after every layer.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public IReadOnlyList<LayerSensitivity> Run(
        IReadOnlyList<string> layers,
        IReadOnlyList<float[]> tensors,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        float[] expected = LogitsGraph.Run(graph.Model, tensors, preprocessing, cancellation);
        double mean = expected.Average(),
            variance = expected.Average(z => (z - mean) * (z - mean));
        var errors = new double[layers.Count];
        int next = 0,
            done = 0;
        using (var workers = new WorkerGroup(cancellation))
        {
            for (int w = Math.Min(plan.Workers, layers.Count); w > 0; w--)
                workers.Start(Work);
            workers.Wait();
        }

        return [.. layers.Zip(errors, (l, e) => new LayerSensitivity(l, e)).OrderByDescending(s => s.Error)];

        void Work(CancellationToken token)
        {
            for (int index; (index = Interlocked.Increment(ref next) - 1) < layers.Count; )
            {
                HashSet<string> others = [.. graph.Layers.Select(l => l.Name).Where(n => n != layers[index])];
                float[] found = LogitsGraph.Run(graph.Quantize(ranges, others, bits), tensors, preprocessing, token);
                double squares = expected.Zip(found, (e, f) => ((double)e - f) * ((double)e - f)).Average();
                errors[index] = variance > 0 ? squares / variance : squares;
                progress?.Report(new JobProgress("Measuring layers", Interlocked.Increment(ref done), layers.Count));
            }
        }
    }
}

/// <summary>What it costs to run one layer on bytes and all others in float.</summary>
/// <param name="Layer">Name of the layer.</param>
/// <param name="Error">Mean squared difference of the logits, over the variance that the float logits have among images
/// and classes; 0 is no error.</param>
public sealed record LayerSensitivity(string Layer, double Error);
