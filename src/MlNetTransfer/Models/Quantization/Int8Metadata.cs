using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

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
