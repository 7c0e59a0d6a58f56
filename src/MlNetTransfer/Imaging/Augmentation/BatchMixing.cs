namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Mixing of the images of a batch in pairs, and of their targets in the same shares.</summary>
public sealed record BatchMixing
{
    /// <summary>Probability that a pair is mixed; in [0, 1]. Default 0.5.</summary>
    public double Probability
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 0.5;

    /// <summary>
    /// Mixup blends two images in shares λ and 1 - λ, λ from Beta(α, α) (Zhang et al., mixup, 2018); in [0, 10], 0 is
    /// off. Default 0.2.
    /// </summary>
    public double MixupAlpha
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    } = 0.2;

    /// <summary>
    /// CutMix swaps a box of share 1 - λ, λ from Beta(α, α) (Yun et al., CutMix, 2019); in [0, 10], 0 is off. Default
    /// 1. With both on, each pair gets either, equally likely.
    /// </summary>
    public double CutMixAlpha
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    } = 1;
}
