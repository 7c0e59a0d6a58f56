using MlNetTransfer.Numerics;

namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>Does what <see cref="ColourJitter"/> says: the four changes in an order that is drawn too.</summary>
internal static class Jitter
{
    public static void Apply(ColourJitter options, PixelSquare square, Rng rng)
    {
        Span<int> order = [0, 1, 2, 3];
        rng.Shuffle(order);
        foreach (int change in order)
        {
            double centred = (2 * rng.NextDouble()) - 1;
            switch (change)
            {
                case 0 when options.Brightness > 0:
                    ToneTables.Brightness(square, (float)(1 + (centred * options.Brightness)));
                    break;
                case 1 when options.Contrast > 0:
                    ToneTables.Contrast(square, (float)(1 + (centred * options.Contrast)));
                    break;
                case 2 when options.Saturation > 0:
                    Colours.Saturation(square, (float)(1 + (centred * options.Saturation)));
                    break;
                case 3 when options.Hue > 0:
                    Colours.Hue(square, centred * options.Hue);
                    break;
            }
        }
    }
}
