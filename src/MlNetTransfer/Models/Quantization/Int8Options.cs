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
    public IReadOnlyList<string> FloatLayers { get; init; } = [];

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
