using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// Random changes of brightness, contrast, saturation and hue, in random order (Howard, Some Improvements on Deep
/// Convolutional Neural Network Based Image Classification, 2013).
/// </summary>
/// <remarks>
/// Each of the first three is a factor, uniform in [1 - value, 1 + value]; 1 leaves the image as it is.
/// </remarks>
public sealed record ColourJitter : PixelOperation
{
    /// <summary>Largest change of the brightness factor; in [0, 1]. Default 0.</summary>
    public double Brightness
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    }

    /// <summary>Largest change of the contrast factor; in [0, 1]. Default 0.</summary>
    public double Contrast
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    }

    /// <summary>Largest change of the saturation factor; in [0, 1]. Default 0.</summary>
    public double Saturation
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    }

    /// <summary>
    /// Largest turn of the hue either way, uniform, as a share of the colour circle; in [0, 0.5]. Default 0.
    /// </summary>
    public double Hue
    {
        get;
        init => field = Check.InRange(value, 0, 0.5);
    }

    internal override void Apply(PixelFrame frame, PixelFrame scratch, Rng rng) => Jitter.Apply(this, frame, rng);
}
