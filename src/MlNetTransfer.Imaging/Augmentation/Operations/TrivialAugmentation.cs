namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>
/// One operation of fourteen at one strength of 31 (Müller and Hutter, TrivialAugment, 2021, the wide space of table
/// 1).
/// </summary>
/// <remarks>
/// Translation is given in shares of the side, the paper's 32 of 224 pixels; shears are about the centre; strength 0
/// leaves the image as it is for all but the two that have no strength.
/// </remarks>
internal static class TrivialAugmentation
{
    /// <summary>Strengths are 0..30.</summary>
    public const int Strongest = 30;

    private const double MaxShear = 0.99,
        MaxTranslation = 32.0 / 224,
        MaxRotation = 135,
        MaxFactor = 0.99;

    public static void Apply(PixelFrame frame, PixelFrame scratch, Rng rng)
    {
        TrivialOperation operation = (TrivialOperation)rng.Next((int)TrivialOperation.Equalize + 1);
        int strength = rng.Next(Strongest + 1);
        Apply(operation, strength, rng.Next(2) == 0 ? 1 : -1, frame, scratch);
    }

    /// <param name="operation">What to do.</param>
    /// <param name="strength">0..30.</param>
    /// <param name="sign">1 or -1, for those that have two directions.</param>
    /// <param name="frame">Changed in place.</param>
    /// <param name="scratch">A square of the same shape, for those that need a copy.</param>
    public static void Apply(TrivialOperation operation, int strength, int sign, PixelFrame frame, PixelFrame scratch)
    {
        double share = sign * (double)strength / Strongest;
        float factor = (float)(1 + (MaxFactor * share));
        switch (operation)
        {
            case TrivialOperation.Identity:
                break;
            case TrivialOperation.ShearX:
                Warp(AffineWarp.ShearX(MaxShear * share, frame.Width, frame.Height), frame, scratch);
                break;
            case TrivialOperation.ShearY:
                Warp(AffineWarp.ShearY(MaxShear * share, frame.Width, frame.Height), frame, scratch);
                break;
            case TrivialOperation.TranslateX:
                Warp(AffineWarp.Translation(MaxTranslation * share * frame.Width, 0), frame, scratch);
                break;
            case TrivialOperation.TranslateY:
                Warp(AffineWarp.Translation(0, MaxTranslation * share * frame.Height), frame, scratch);
                break;
            case TrivialOperation.Rotate:
                Warp(AffineWarp.Rotation(MaxRotation * share, frame.Width, frame.Height), frame, scratch);
                break;
            case TrivialOperation.Brightness:
                ToneTables.Brightness(frame, factor);
                break;
            case TrivialOperation.Saturation:
                Colours.Saturation(frame, factor);
                break;
            case TrivialOperation.Contrast:
                ToneTables.Contrast(frame, factor);
                break;
            case TrivialOperation.Sharpness:
                Sharpness.Apply(frame, Copy(frame, scratch), factor);
                break;
            case TrivialOperation.Posterize:
                ToneTables.Posterize(frame, 8 - (int)Math.Round(strength / (Strongest / 6.0)));
                break;
            // A threshold of 256 inverts nothing.
            case TrivialOperation.Solarize:
                ToneTables.Solarize(frame, 256 - (int)Math.Round(256.0 * strength / Strongest));
                break;
            case TrivialOperation.AutoContrast:
                ToneTables.AutoContrast(frame);
                break;
            case TrivialOperation.Equalize:
                ToneTables.Equalize(frame);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(operation), operation, "Not an operation.");
        }
    }

    private static void Warp(AffineWarp warp, PixelFrame frame, PixelFrame scratch) =>
        warp.Apply(Copy(frame, scratch), frame);

    private static unsafe PixelFrame Copy(PixelFrame from, PixelFrame to)
    {
        Buffer.MemoryCopy((byte*)from.Pixels, (byte*)to.Pixels, to.Length, from.Length);
        return to;
    }
}

/// <summary>The operations of TrivialAugment; the last is <see cref="Equalize"/>.</summary>
internal enum TrivialOperation
{
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Saturation,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}
