using MlNetTransfer.Datasets;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

/// <summary>What the calibration images gave.</summary>
/// <param name="Histograms">The values of every tensor.</param>
/// <param name="Tensors">Some of the images, preprocessed, each [3 × Size × Size].</param>
/// <param name="Images">Images counted.</param>
/// <param name="Rejected">Images that could not be used.</param>
internal sealed record CalibrationValues(
    IReadOnlyDictionary<string, ValueHistogram> Histograms,
    IReadOnlyList<float[]> Tensors,
    int Images,
    IReadOnlyList<RejectedImage> Rejected
)
{
    /// <summary>The ranges by a method.</summary>
    public IReadOnlyDictionary<string, ValueRange> Ranges(RangeCalibration calibration) =>
        Histograms.ToDictionary(h => h.Key, h => calibration.Of(h.Value));
}
