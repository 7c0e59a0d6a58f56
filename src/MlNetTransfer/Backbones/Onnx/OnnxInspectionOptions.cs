using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>What the user knows of an ONNX model that its graph may not state. Immutable.</summary>
public sealed record OnnxInspectionOptions
{
    /// <summary>
    /// Side of the square input in pixels, in [8, 4096]; needed where the graph leaves height and width open. Default
    /// null: the graph's own.
    /// </summary>
    public int? InputSize
    {
        get;
        init => field = value is { } size ? Check.InRange(size, 8, 4096) : null;
    }

    /// <summary>Mean per channel, RGB, on the scale 0..1. Default null: as the file's metadata states it.</summary>
    public ChannelValues? Mean { get; init; }

    /// <summary>
    /// Standard deviation per channel, RGB, on the scale 0..1, each above 0. Default null: as the file's metadata
    /// states it.
    /// </summary>
    public ChannelValues? Std
    {
        get;
        init =>
            field = value is null or { Red: > 0, Green: > 0, Blue: > 0 }
                ? value
                : throw new ArgumentOutOfRangeException(
                    nameof(Std),
                    value,
                    "Every standard deviation must be above 0."
                );
    }

    /// <summary>
    /// How the image fills the square. Default null: as the file's metadata states it, else
    /// <see cref="Framing.Stretch"/>.
    /// </summary>
    public Framing? Framing { get; init; }

    /// <summary>
    /// The resampling filter. Default null: as the file's metadata states it, else
    /// <see cref="Interpolation.Bilinear"/>.
    /// </summary>
    public Interpolation? Interpolation { get; init; }

    /// <summary>
    /// Name of the output with the scores of the classes, for a model with several outputs that could be it. Default
    /// null: found from the graph.
    /// </summary>
    public string? Output { get; init; }
}
