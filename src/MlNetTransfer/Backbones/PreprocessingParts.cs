using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// What somebody states of a network's preprocessing: the user, a name, the file, or what lies beside it. Parts that
/// are not stated are null. Immutable.
/// </summary>
public sealed record PreprocessingParts
{
    /// <summary>Nothing is stated.</summary>
    public static PreprocessingParts None { get; } = new();

    /// <summary>Order in which the network takes the channels; of mean and deviation it is always RGB.</summary>
    public ChannelOrder? Order { get; init; }

    /// <summary>Mean and standard deviation per channel, RGB, on the scale 0..1.</summary>
    public ChannelScale? Scale { get; init; }

    /// <summary>What is subtracted of every pixel besides the mean.</summary>
    public MeanImage? MeanImage { get; init; }

    /// <summary>Height of the input in pixels, in [8, 4096].</summary>
    public int? Height
    {
        get;
        init => field = value is { } side ? Check.InRange(side, 8, 4096) : null;
    }

    /// <summary>Width of the input in pixels, in [8, 4096].</summary>
    public int? Width
    {
        get;
        init => field = value is { } side ? Check.InRange(side, 8, 4096) : null;
    }

    /// <summary>How an image fills the input.</summary>
    public Framing? Framing { get; init; }

    /// <summary>For <see cref="Framing.ResizeCrop"/>; see <see cref="Preprocessing.CropFraction"/>.</summary>
    public double? CropFraction
    {
        get;
        init => field = value is { } share ? Check.InRange(share, 0.1, 1, nameof(CropFraction)) : null;
    }

    /// <summary>The resampling filter.</summary>
    public Interpolation? Interpolation { get; init; }

    /// <summary>All that a preprocessing is.</summary>
    public static PreprocessingParts Of(Preprocessing preprocessing) =>
        new()
        {
            Order = ChannelOrder.Rgb,
            Scale = new ChannelScale(preprocessing.Mean, preprocessing.Std),
            Height = preprocessing.Shape.Height,
            Width = preprocessing.Shape.Width,
            Framing = preprocessing.Framing,
            CropFraction = preprocessing.CropFraction,
            Interpolation = preprocessing.Interpolation,
        };

    /// <summary>These parts, and of what they do not state, another's.</summary>
    public PreprocessingParts Or(PreprocessingParts other) =>
        new()
        {
            Order = Order ?? other.Order,
            Scale = Scale ?? other.Scale,
            MeanImage = MeanImage ?? other.MeanImage,
            Height = Height ?? other.Height,
            Width = Width ?? other.Width,
            Framing = Framing ?? other.Framing,
            CropFraction = CropFraction ?? (Framing is null ? other.CropFraction : null),
            Interpolation = Interpolation ?? other.Interpolation,
        };

    /// <summary>The preprocessing for an input of a given shape; what is stated nowhere has its default.</summary>
    /// <param name="scale">The scale.</param>
    /// <param name="shape">Width and height in pixels.</param>
    /// <exception cref="TransferException">A crop fraction is stated for a framing that has none.</exception>
    internal Preprocessing For(ChannelScale scale, (int Width, int Height) shape)
    {
        Framing framing = Framing ?? (CropFraction is null ? default : MlNetTransfer.Imaging.Framing.ResizeCrop);
        if (CropFraction is not null && framing != MlNetTransfer.Imaging.Framing.ResizeCrop)
            throw new TransferException(
                $"A crop fraction has no effect with the framing {framing}: it is that of "
                    + "ResizeCrop. Leave --crop out, or give --framing resizecrop."
            );
        return new Preprocessing
        {
            Size = shape.Height,
            Width = shape.Width == shape.Height ? null : shape.Width,
            Mean = scale.Mean,
            Std = scale.Std,
            Framing = framing,
            CropFraction = CropFraction,
            Interpolation = Interpolation ?? default,
        };
    }

    /// <summary>The first part that two statements give differently, for people; null where they agree.</summary>
    internal static string? Contradiction(PreprocessingParts one, PreprocessingParts other)
    {
        if (one.Order is { } a && other.Order is { } b && a != b)
            return $"channels {a} and {b}";
        if (one.Scale is { } s && other.Scale is { } t && !s.IsNear(t))
            return $"{s} and {t}";
        if (one.Height is { } h && other.Height is { } g && (h != g || one.Width != other.Width))
            return $"{one.Width} x {h} and {other.Width} x {g} pixels";
        return null;
    }
}

/// <summary>Order of the channels of a pixel.</summary>
public enum ChannelOrder
{
    /// <summary>Red first.</summary>
    Rgb,

    /// <summary>Blue first, as Caffe, CNTK and OpenCV have it.</summary>
    Bgr,
}

/// <summary>
/// How pixels become numbers: <c>(pixel / 255 - mean) / deviation</c>, both per channel, RGB, on the scale 0..1.
/// </summary>
public sealed record ChannelScale
{
    /// <param name="mean">Mean.</param>
    /// <param name="std">Standard deviation, each above 0.</param>
    public ChannelScale(ChannelValues mean, ChannelValues std)
    {
        if (!IsFinite(mean) || !IsFinite(std) || std is not { Red: > 0, Green: > 0, Blue: > 0 })
            throw new ArgumentException($"Standard deviations must be above 0 and all values finite; they are {std}.");
        (Mean, Std) = (mean, std);
    }

    /// <summary>Mean.</summary>
    public ChannelValues Mean { get; }

    /// <summary>Standard deviation.</summary>
    public ChannelValues Std { get; }

    /// <summary>Whether all channels have the same.</summary>
    internal bool IsGrey => Same(Mean) && Same(Std);

    /// <summary>The scale of values <c>pixel / 255 * most</c>, less a mean and over a deviation on that
    /// scale.</summary>
    /// <param name="most">What the pixel 255 becomes.</param>
    /// <param name="mean">Mean on that scale.</param>
    /// <param name="std">Standard deviation on that scale.</param>
    public static ChannelScale Of(float most, ChannelValues mean, ChannelValues std) =>
        new(
            new(mean.Red / most, mean.Green / most, mean.Blue / most),
            new(std.Red / most, std.Green / most, std.Blue / most)
        );

    /// <summary>The same with one mean and one deviation for all channels.</summary>
    internal static ChannelScale Uniform(float most, float mean, float std) =>
        Of(most, new(mean, mean, mean), new(std, std, std));

    /// <summary>Equal up to the digits that people write.</summary>
    internal bool IsNear(ChannelScale other) => Near(Mean, other.Mean) && Near(Std, other.Std);

    /// <inheritdoc/>
    public override string ToString()
    {
        string name = NamedPreprocessing.NameOf(this);
        return name.Length > 0
            ? name
            : FormattableString.Invariant(
                $"mean {Mean.Red:g4},{Mean.Green:g4},{Mean.Blue:g4} deviation {Std.Red:g4},{Std.Green:g4},{Std.Blue:g4}"
            );
    }

    private static bool Near(ChannelValues a, ChannelValues b) =>
        Near(a.Red, b.Red) && Near(a.Green, b.Green) && Near(a.Blue, b.Blue);

    private static bool Near(float a, float b) => Math.Abs(a - b) <= 2e-3f * Math.Max(Math.Abs(a), Math.Abs(b)) + 1e-5f;

    private static bool Same(ChannelValues values) => values.Red == values.Green && values.Green == values.Blue;

    private static bool IsFinite(ChannelValues values) =>
        float.IsFinite(values.Red) && float.IsFinite(values.Green) && float.IsFinite(values.Blue);
}
