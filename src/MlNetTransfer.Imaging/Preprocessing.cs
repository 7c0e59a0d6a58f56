using System.Text.Json.Serialization;
using MlNetTransfer.Imaging.Resizing;

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
    /// <summary>
    /// Height of the input in pixels, and its width where <see cref="Width"/> does not say otherwise; in [8, 4096].
    /// </summary>
    public required int Size
    {
        get;
        init => field = Check.InRange(value, 8, 4096);
    }

    /// <summary>Width of the input in pixels, in [8, 4096]. Default null: a square.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Width
    {
        get;
        init => field = value is { } width ? Check.InRange(width, 8, 4096) : null;
    }

    /// <summary>Width and height of the input in pixels.</summary>
    [JsonIgnore]
    public (int Width, int Height) Shape => (Width ?? Size, Size);

    /// <summary>How the image fills the input. Default <see cref="Framing.Stretch"/>.</summary>
    public Framing Framing { get; init; } = Framing.Stretch;

    /// <summary>
    /// For <see cref="Framing.ResizeCrop"/>: side of what is cut out as a share of what it is cut from, in [0.1, 1].
    /// Default null: <see cref="UsualCropFraction"/>.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? CropFraction
    {
        get;
        init => field = value is { } share ? Check.InRange(share, 0.1, 1, nameof(CropFraction)) : null;
    }

    /// <summary>The crop fraction of most networks of torchvision: 224 of 256 pixels.</summary>
    public const double UsualCropFraction = 0.875;

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

    /// <summary>Elements of one image's tensor: 3 · height · width.</summary>
    public int TensorLength => 3 * Shape.Height * Shape.Width;

    /// <summary>What the input is cut from: an image is resized until it covers this.</summary>
    internal (int Width, int Height) Cover =>
        Framing == Framing.ResizeCrop ? (Uncropped(Shape.Width), Uncropped(Shape.Height)) : Shape;

    /// <summary>The larger side that an image is resized to: what a decoder that reduces must leave.</summary>
    internal int LargestSide => Math.Max(Cover.Width, Cover.Height);

    /// <summary>What becomes of the axes of a stored image, or of the box that was cut from it.</summary>
    /// <param name="width">Stored columns.</param>
    /// <param name="height">Stored rows.</param>
    /// <param name="order">How it lies.</param>
    internal (AxisOutput Across, AxisOutput Down) Output(int width, int height, OutputOrder order)
    {
        (int across, int down) = order.Turned(Shape);
        if (Framing != Framing.ResizeCrop)
            return (AxisOutput.Whole(across), AxisOutput.Whole(down));
        (int coverWidth, int coverHeight) = order.Turned(Cover);
        // The side that needs more enlargement fits, the other keeps the aspect ratio, rounded down as torchvision
        // does.
        bool byWidth = (long)coverWidth * height >= (long)coverHeight * width;
        if (byWidth)
            coverHeight = (int)((long)coverWidth * height / width);
        else
            coverWidth = (int)((long)coverHeight * width / height);
        return (Cut(coverWidth, across, order.FlippedX), Cut(coverHeight, down, order.FlippedY));
    }

    private int Uncropped(int side) => (int)((side / (CropFraction ?? UsualCropFraction)) + 1e-6);

    /// <summary>The middle of an axis; halves are rounded to even, as Python does.</summary>
    private static AxisOutput Cut(int length, int count, bool flipped)
    {
        length = Math.Max(length, count);
        int first = (int)Math.Round((length - count) / 2.0, MidpointRounding.ToEven);
        return new AxisOutput(length, flipped ? length - count - first : first, count);
    }
}

/// <summary>One number per colour channel.</summary>
public readonly record struct ChannelValues(float Red, float Green, float Blue);

/// <summary>How an image of any shape is made to fill the input of a backbone.</summary>
public enum Framing
{
    /// <summary>
    /// The whole image, stretched to the input size; the aspect ratio is not kept, nothing is cut off.
    /// </summary>
    Stretch,

    /// <summary>
    /// The largest centred part of the input's shape, resized to the input size; the aspect ratio is kept, the ends of
    /// the longer side are cut off. Keras' crop_to_aspect_ratio.
    /// </summary>
    CenterCrop,

    /// <summary>
    /// The image, resized with its aspect ratio until it is larger than the input by
    /// <see cref="Preprocessing.CropFraction"/>, of which the centre is cut out. torchvision's Resize and CenterCrop,
    /// timm's crop_pct.
    /// </summary>
    ResizeCrop,
}

/// <summary>
/// The resampling filter, bit-identical to Pillow's; all but <see cref="Nearest"/> are antialiased when shrinking.
/// </summary>
public enum Interpolation
{
    /// <summary>Triangle filter, support 1 (Pillow's BILINEAR).</summary>
    Bilinear,

    /// <summary>Cubic filter with a = -0.5, support 2 (Pillow's BICUBIC).</summary>
    Bicubic,

    /// <summary>Lanczos' windowed sinc of three lobes (Pillow's LANCZOS).</summary>
    Lanczos,

    /// <summary>The pixel at the centre, without antialiasing (Pillow's NEAREST, the default of Keras'
    /// load_img).</summary>
    Nearest,
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
