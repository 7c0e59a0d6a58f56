using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

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
        IReadOnlyList<ImageItem> heldOut,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        byte[] single = onnx.ToBytes();
        ImageRows expected = Rows(single, heldOut, "Scoring in float32", progress, cancellation);
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
            ImageRows found = Rows(quantized.ToBytes(), heldOut, "Scoring in int8", progress, cancellation);
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
        ImageRows expected,
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
        using var first = new ImageGraph(
            single,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        using var second = new ImageGraph(
            int8,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        return new SpeedMeter(clock).Run(first, second, values.Tensors, options.SpeedRounds, cancellation);
    }

    private ImageRows Rows(
        byte[] bytes,
        IReadOnlyList<ImageItem> items,
        string stage,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var runnable = new ImageGraph(
            bytes,
            TransferModel.ProbabilitiesOutput,
            metadata.Preprocessing,
            limits,
            plan
        );
        return new ImageRunner(runnable).Run(items, stage, progress, cancellation);
    }

    private static string Points(double loss) => FormattableString.Invariant($"{100 * loss:g3} points");

    private static string WithError(LayerSensitivity s) =>
        FormattableString.Invariant($"'{s.Layer}' (error {s.Error:g2})");

    private static string Remedy(IReadOnlyList<LayerSensitivity> sensitivities) =>
        "Leave the layers in float that cost most, "
        + string.Join(", ", sensitivities.Take(Named).Select(WithError))
        + ", let them be found (--auto-float), or allow a greater loss (--max-loss).";
}
