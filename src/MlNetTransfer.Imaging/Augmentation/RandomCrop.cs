using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// Random resized crop: a box of random area, aspect and place is resized to the input size (Szegedy et al., Going
/// Deeper with Convolutions, 2015, section 6).
/// </summary>
/// <remarks>
/// Area and aspect are relative to what the backbone's framing takes, so that training sees what scoring sees: for
/// <see cref="Framing.Stretch"/> the whole image with its own aspect ratio, for <see cref="Framing.CenterCrop"/> the
/// largest part of the input's shape. The place is uniform over the image. A box that does not fit is drawn again, at
/// most ten times; then
/// the framing's own is taken.
/// </remarks>
public sealed record RandomCrop
{
    /// <summary>Smallest area, as a share; in [0.01, 1]. Default 0.6.</summary>
    public double MinArea
    {
        get;
        init => field = Check.InRange(value, 0.01, 1);
    } = 0.6;

    /// <summary>Largest area, as a share; in [0.01, 1]. The area is uniform between the two. Default 1.</summary>
    public double MaxArea
    {
        get;
        init => field = Check.InRange(value, 0.01, 1);
    } = 1;

    /// <summary>
    /// Largest change of width to height, as a factor; in [1, 4]. The factor is log-uniform in [1 / MaxAspect,
    /// MaxAspect]. Default 4/3.
    /// </summary>
    public double MaxAspect
    {
        get;
        init => field = Check.InRange(value, 1, 4);
    } = 4.0 / 3;
}

/// <summary>A rectangle of an upright image, in pixels.</summary>
internal readonly record struct CropBox(int Left, int Top, int Width, int Height)
{
    private const int Attempts = 10;

    /// <summary>What a preprocessing takes of an image.</summary>
    public static CropBox Of(Preprocessing preprocessing, int width, int height)
    {
        if (preprocessing.Framing == Framing.Stretch)
            return new(0, 0, width, height);
        (int left, int top, int across, int down) = OutputOrder.Of(1).CentredBox(width, height, preprocessing.Shape);
        var box = new CropBox(left, top, across, down);
        return preprocessing.Framing == Framing.CenterCrop
            ? box
            : box.Middle(preprocessing.CropFraction ?? Preprocessing.UsualCropFraction);
    }

    /// <summary>The middle of a box.</summary>
    /// <param name="share">Of its sides.</param>
    private CropBox Middle(double share)
    {
        int across = Math.Max(1, (int)Math.Round(Width * share)),
            down = Math.Max(1, (int)Math.Round(Height * share));
        return new(Left + ((Width - across) / 2), Top + ((Height - down) / 2), across, down);
    }

    /// <summary>
    /// A random box: area = share · frame area, width / height = aspect · frame width / frame height, place uniform.
    /// </summary>
    public static CropBox Draw(RandomCrop crop, Preprocessing preprocessing, int width, int height, Rng rng)
    {
        CropBox frame = Of(preprocessing, width, height);
        double reach = Math.Log(crop.MaxAspect);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double area = crop.MinArea + (rng.NextDouble() * (crop.MaxArea - crop.MinArea));
            double stretch = Math.Exp(0.5 * reach * ((2 * rng.NextDouble()) - 1));
            double side = Math.Sqrt(area);
            int across = (int)Math.Round(frame.Width * side * stretch),
                down = (int)Math.Round(frame.Height * side / stretch);
            if (across < 1 || down < 1 || across > width || down > height)
                continue;
            return new(rng.Next(width - across + 1), rng.Next(height - down + 1), across, down);
        }
        return frame;
    }
}
