namespace MlNetTransfer.Imaging;

/// <summary>
/// What turns decoded sRGB pixels into a backbone's input tensor. It travels with the backbone's card and the saved
/// model and is never passed separately: another preprocessing than the one a backbone was trained with costs accuracy
/// silently.
/// </summary>
/// <remarks>
/// The tensor is float32, NCHW with channels in RGB order; <c>tensor[c] = (pixel[c] / 255 - Mean[c]) / Std[c]</c>,
/// pixel in 0..255.
/// </remarks>
public sealed record Preprocessing
{
    /// <summary>Side of the square input in pixels; in [8, 4096].</summary>
    public required int Size
    {
        get;
        init => field = Check.InRange(value, 8, 4096);
    }

    /// <summary>How the image fills the square. Default <see cref="Framing.Stretch"/>.</summary>
    public Framing Framing { get; init; } = Framing.Stretch;

    /// <summary>The resampling filter. Default <see cref="Interpolation.Bilinear"/>.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Bilinear;

    /// <summary>Mean per channel, RGB, on the scale 0..1. Default (0, 0, 0).</summary>
    public ChannelValues Mean { get; init; } = new(0, 0, 0);

    /// <summary>Standard deviation per channel, RGB, on the scale 0..1, each above 0. Default (1, 1, 1).</summary>
    public ChannelValues Std
    {
        get;
        init =>
            field = value is { Red: > 0, Green: > 0, Blue: > 0 }
                ? value
                : throw new ArgumentOutOfRangeException(
                    nameof(Std),
                    value,
                    "Every standard deviation must be above 0."
                );
    } = new(1, 1, 1);

    /// <summary>Elements of one image's tensor: 3 · Size · Size.</summary>
    public int TensorLength => 3 * Size * Size;
}

/// <summary>One number per colour channel.</summary>
public readonly record struct ChannelValues(float Red, float Green, float Blue);

/// <summary>How an image of any shape is made to fill the square that a backbone takes.</summary>
public enum Framing
{
    /// <summary>
    /// The whole image, stretched to the input size; the aspect ratio is not kept, nothing is cut off.
    /// </summary>
    Stretch,

    /// <summary>
    /// The largest centred square, resized to the input size; the aspect ratio is kept, the ends of the longer side are
    /// cut off.
    /// </summary>
    CenterCrop,
}

/// <summary>The resampling filter; both are antialiased when shrinking and bit-identical to Pillow's.</summary>
public enum Interpolation
{
    /// <summary>Triangle filter, support 1 (Pillow's BILINEAR).</summary>
    Bilinear,

    /// <summary>Cubic filter with a = -0.5, support 2 (Pillow's BICUBIC).</summary>
    Bicubic,
}

/// <summary>
/// What each 8-bit sample becomes in a tensor: a table, so that every value is the correctly rounded formula of
/// <see cref="Preprocessing"/>.
/// </summary>
internal static class PixelValues
{
    /// <summary>(sample / 255 - mean) / std [3 × 256], channels in RGB order.</summary>
    public static float[] Table(ChannelValues mean, ChannelValues std)
    {
        var table = new float[3 * 256];
        for (int i = 0; i < 256; i++)
        {
            table[i] = ((i / 255f) - mean.Red) / std.Red;
            table[256 + i] = ((i / 255f) - mean.Green) / std.Green;
            table[512 + i] = ((i / 255f) - mean.Blue) / std.Blue;
        }

        return table;
    }
}
