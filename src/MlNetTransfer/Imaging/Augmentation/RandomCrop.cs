namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// Random resized crop: a box of random area, aspect and place is resized to the input size (Szegedy et al., Going
/// Deeper with Convolutions, 2015, section 6).
/// </summary>
/// <remarks>
/// Area and aspect are relative to what the backbone's framing takes, so that training sees what scoring sees: for
/// <see cref="Framing.Stretch"/> the whole image with its own aspect ratio, for <see cref="Framing.CenterCrop"/> the
/// largest square. The place is uniform over the image. A box that does not fit is drawn again, at most ten times; then
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
