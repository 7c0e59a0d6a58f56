using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// Random erasing: a random box of the resized image becomes noise, each sample uniform in 0..255 (Zhong et al., Random
/// Erasing Data Augmentation, 2020, RE-R).
/// </summary>
/// <remarks>
/// The area is uniform, the aspect log-uniform, the place uniform. A box that does not fit is drawn again, at most ten
/// times; then nothing is erased.
/// </remarks>
public sealed record RandomErasing : PixelOperation
{
    /// <summary>Probability that an image loses a box; in [0, 1]. Default 0.25.</summary>
    public double Probability
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 0.25;

    /// <summary>Smallest area, as a share of the image; in [0, 1]. Default 0.02.</summary>
    public double MinArea
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 0.02;

    /// <summary>Largest area, as a share of the image; in [0, 1]. Default 1/3.</summary>
    public double MaxArea
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 1.0 / 3;

    /// <summary>Largest width to height, and height to width; in [1, 10]. Default 10/3.</summary>
    public double MaxAspect
    {
        get;
        init => field = Check.InRange(value, 1, 10);
    } = 10.0 / 3;

    internal override void CheckConsistent() => CheckOrder(MinArea, MaxArea, "erased box");

    internal override void Apply(PixelFrame frame, PixelFrame scratch, Rng rng) => Eraser.Apply(this, frame, rng);
}
