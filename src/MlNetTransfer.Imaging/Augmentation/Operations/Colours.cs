namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>Operations on the three samples of a pixel together.</summary>
internal static class Colours
{
    /// <summary>ITU-R 601 luma as Pillow rounds it: 0.299 R + 0.587 G + 0.114 B in 16 fractional bits.</summary>
    public static int Grey(int red, int green, int blue) =>
        ((red * 19595) + (green * 38470) + (blue * 7471) + 0x8000) >> 16;

    /// <summary>Blends with the grey image (ImageEnhance.Color); Pillow's bytes.</summary>
    public static void Saturation(PixelFrame frame, float factor)
    {
        for (int y = 0; y < frame.Height; y++)
        {
            Span<byte> red = frame.Row(y, 0),
                green = frame.Row(y, 1),
                blue = frame.Row(y, 2);
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
    /// <param name="frame">The pixels.</param>
    /// <param name="turn">Share of the circle, in [-0.5, 0.5].</param>
    public static void Hue(PixelFrame frame, double turn)
    {
        float sixths = (float)(6 * (turn < 0 ? turn + 1 : turn));
        for (int y = 0; y < frame.Height; y++)
        {
            Span<byte> red = frame.Row(y, 0),
                green = frame.Row(y, 1),
                blue = frame.Row(y, 2);
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

/// <summary>Operations that replace each sample by what a table says; every one gives Pillow's bytes.</summary>
internal static class ToneTables
{
    /// <summary>Blends with black: <c>factor · v</c> (ImageEnhance.Brightness).</summary>
    public static void Brightness(PixelFrame frame, float factor) => Blend(frame, 0, factor);

    /// <summary>Blends with the mean grey of the image (ImageEnhance.Contrast).</summary>
    public static void Contrast(PixelFrame frame, float factor) => Blend(frame, MeanGrey(frame), factor);

    /// <summary>Inverts samples of at least the threshold (ImageOps.solarize).</summary>
    public static void Solarize(PixelFrame frame, int threshold)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)(v < threshold ? v : 255 - v);
        ApplyToAll(frame, table);
    }

    /// <summary>Keeps the high bits of each sample, 1 to 8 (ImageOps.posterize).</summary>
    public static void Posterize(PixelFrame frame, int bits)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)(v & (0xFF << (8 - bits)));
        ApplyToAll(frame, table);
    }

    /// <summary>Stretches each channel to 0..255 (ImageOps.autocontrast).</summary>
    public static void AutoContrast(PixelFrame frame)
    {
        Span<int> counts = stackalloc int[256];
        Span<byte> table = stackalloc byte[256];
        for (int channel = 0; channel < 3; channel++)
        {
            Count(frame, channel, counts);
            int low = counts.IndexOfAnyExcept(0),
                high = counts.LastIndexOfAnyExcept(0);
            if (high <= low)
                continue;
            double scale = 255.0 / (high - low),
                offset = -low * scale;
            for (int v = 0; v < 256; v++)
                table[v] = (byte)Math.Clamp((int)((v * scale) + offset), 0, 255);
            Apply(frame, channel, table);
        }
    }

    /// <summary>Makes each channel's histogram as flat as a table can (ImageOps.equalize).</summary>
    public static void Equalize(PixelFrame frame)
    {
        Span<int> counts = stackalloc int[256];
        Span<byte> table = stackalloc byte[256];
        for (int channel = 0; channel < 3; channel++)
        {
            Count(frame, channel, counts);
            int step = ((frame.Width * frame.Height) - counts[counts.LastIndexOfAnyExcept(0)]) / 255;
            if (step == 0)
                continue;
            for (int v = 0, below = step / 2; v < 256; below += counts[v++])
                table[v] = (byte)Math.Min(below / step, 255);
            Apply(frame, channel, table);
        }
    }

    private static void Blend(PixelFrame frame, int other, float factor)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)Math.Clamp(other + (factor * (v - other)), 0, 255);
        ApplyToAll(frame, table);
    }

    private static int MeanGrey(PixelFrame frame)
    {
        long sum = 0;
        for (int y = 0; y < frame.Height; y++)
        {
            ReadOnlySpan<byte> red = frame.Row(y, 0),
                green = frame.Row(y, 1),
                blue = frame.Row(y, 2);
            for (int x = 0; x < red.Length; x++)
                sum += Colours.Grey(red[x], green[x], blue[x]);
        }
        return (int)(((double)sum / ((long)frame.Width * frame.Height)) + 0.5);
    }

    private static void Count(PixelFrame frame, int channel, Span<int> counts)
    {
        counts.Clear();
        for (int y = 0; y < frame.Height; y++)
            foreach (byte sample in frame.Row(y, channel))
                counts[sample]++;
    }

    private static void ApplyToAll(PixelFrame frame, ReadOnlySpan<byte> table)
    {
        for (int channel = 0; channel < 3; channel++)
            Apply(frame, channel, table);
    }

    private static void Apply(PixelFrame frame, int channel, ReadOnlySpan<byte> table)
    {
        for (int y = 0; y < frame.Height; y++)
            foreach (ref byte sample in frame.Row(y, channel))
                sample = table[sample];
    }
}

/// <summary>
/// Blends with the smoothed image (ImageEnhance.Sharpness): ones around a five, over 13, edges as they are. Pillow's
/// bytes.
/// </summary>
internal static class Sharpness
{
    /// <param name="frame">Changed in place.</param>
    /// <param name="copy">The same pixels.</param>
    /// <param name="factor">0 is smooth, 1 leaves the image as it is, 2 sharpens.</param>
    public static void Apply(PixelFrame frame, PixelFrame copy, float factor)
    {
        for (int y = 1; y < frame.Height - 1; y++)
        {
            for (int channel = 0; channel < 3; channel++)
                Row(
                    copy.Row(y - 1, channel),
                    copy.Row(y, channel),
                    copy.Row(y + 1, channel),
                    frame.Row(y, channel),
                    factor
                );
        }
    }

    private static void Row(
        ReadOnlySpan<byte> above,
        ReadOnlySpan<byte> here,
        ReadOnlySpan<byte> below,
        Span<byte> output,
        float factor
    )
    {
        int before = above[0] + here[0] + below[0],
            column = above[1] + here[1] + below[1];
        for (int x = 1; x < here.Length - 1; x++)
        {
            int after = above[x + 1] + here[x + 1] + below[x + 1];
            int sum = before + column + after + (4 * here[x]);
            // Thirteenths are never halves, so the rounding needs no rule for ties.
            output[x] = Colours.Blend(((2 * sum) + 13) / 26, here[x], factor);
            (before, column) = (column, after);
        }
    }
}

/// <summary>Does what <see cref="ColourJitter"/> says: the four changes in an order that is drawn too.</summary>
internal static class Jitter
{
    public static void Apply(ColourJitter options, PixelFrame frame, Rng rng)
    {
        Span<int> order = [0, 1, 2, 3];
        rng.Shuffle(order);
        foreach (int change in order)
        {
            double centred = (2 * rng.NextDouble()) - 1;
            switch (change)
            {
                case 0 when options.Brightness > 0:
                    ToneTables.Brightness(frame, (float)(1 + (centred * options.Brightness)));
                    break;
                case 1 when options.Contrast > 0:
                    ToneTables.Contrast(frame, (float)(1 + (centred * options.Contrast)));
                    break;
                case 2 when options.Saturation > 0:
                    Colours.Saturation(frame, (float)(1 + (centred * options.Saturation)));
                    break;
                case 3 when options.Hue > 0:
                    Colours.Hue(frame, centred * options.Hue);
                    break;
            }
        }
    }
}
