using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Models.Quantization;

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
    public required IReadOnlyList<RejectedImage> Rejected { get; init; }

    /// <summary>Whether a class or the whole loses more than the bound and the number of images allow.</summary>
    public bool BeyondBound => AccuracyBeyondBound || Classes.Any(c => c.BeyondBound);
}
