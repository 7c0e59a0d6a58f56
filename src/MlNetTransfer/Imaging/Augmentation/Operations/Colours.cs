namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>Operations on the three samples of a pixel together.</summary>
internal static class Colours
{
    /// <summary>ITU-R 601 luma as Pillow rounds it: 0.299 R + 0.587 G + 0.114 B in 16 fractional bits.</summary>
    public static int Grey(int red, int green, int blue) =>
        ((red * 19595) + (green * 38470) + (blue * 7471) + 0x8000) >> 16;

    /// <summary>Blends with the grey image (ImageEnhance.Color); Pillow's bytes.</summary>
    public static void Saturation(PixelSquare square, float factor)
    {
        for (int y = 0; y < square.Size; y++)
        {
            Span<byte> red = square.Row(y, 0),
                green = square.Row(y, 1),
                blue = square.Row(y, 2);
            for (int x = 0; x < red.Length; x++)
            {
                int grey = Grey(red[x], green[x], blue[x]);
                red[x] = Blend(grey, red[x], factor);
                green[x] = Blend(grey, green[x], factor);
                blue[x] = Blend(grey, blue[x], factor);
            }
        }
    }

    /// <summary>
    /// Turns the hue of the HSV hexcone (Smith, Color Gamut Transform Pairs, 1978), rounded once to bytes. Pillow goes
    /// through 8-bit HSV and is up to several levels off; a turn of 0 here changes nothing.
    /// </summary>
    /// <param name="square">The pixels.</param>
    /// <param name="turn">Share of the circle, in [-0.5, 0.5].</param>
    public static void Hue(PixelSquare square, double turn)
    {
        float sixths = (float)(6 * (turn < 0 ? turn + 1 : turn));
        for (int y = 0; y < square.Size; y++)
        {
            Span<byte> red = square.Row(y, 0),
                green = square.Row(y, 1),
                blue = square.Row(y, 2);
            for (int x = 0; x < red.Length; x++)
            {
                int r = red[x],
                    g = green[x],
                    b = blue[x];
                int high = Math.Max(r, Math.Max(g, b)),
                    chroma = high - Math.Min(r, Math.Min(g, b));
                if (chroma == 0)
                    continue;
                float hue =
                    sixths
                    + (
                        r == high ? (float)(g - b) / chroma
                        : g == high ? 2 + ((float)(b - r) / chroma)
                        : 4 + ((float)(r - g) / chroma)
                    );
                red[x] = Sample(high, chroma, hue + 5);
                green[x] = Sample(high, chroma, hue + 3);
                blue[x] = Sample(high, chroma, hue + 1);
            }
        }
    }

    /// <summary>Pillow's blend: a float, cut off, not rounded.</summary>
    public static byte Blend(int from, int to, float factor) => (byte)Math.Clamp(from + (factor * (to - from)), 0, 255);

    /// <summary>
    /// One channel: full within a sixth of its own hue, none opposite, linear between. <paramref name="hue"/> is in (0,
    /// 18), in sixths.
    /// </summary>
    private static byte Sample(int high, int chroma, float hue)
    {
        if (hue >= 12)
            hue -= 12;
        if (hue >= 6)
            hue -= 6;
        return (byte)(high - (chroma * Math.Clamp(Math.Min(hue, 4 - hue), 0, 1)) + 0.5f);
    }
}
