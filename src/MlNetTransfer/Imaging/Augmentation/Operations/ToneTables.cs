namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>Operations that replace each sample by what a table says; every one gives Pillow's bytes.</summary>
internal static class ToneTables
{
    /// <summary>Blends with black: <c>factor · v</c> (ImageEnhance.Brightness).</summary>
    public static void Brightness(PixelSquare square, float factor) => Blend(square, 0, factor);

    /// <summary>Blends with the mean grey of the image (ImageEnhance.Contrast).</summary>
    public static void Contrast(PixelSquare square, float factor) => Blend(square, MeanGrey(square), factor);

    /// <summary>Inverts samples of at least the threshold (ImageOps.solarize).</summary>
    public static void Solarize(PixelSquare square, int threshold)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)(v < threshold ? v : 255 - v);
        ApplyToAll(square, table);
    }

    /// <summary>Keeps the high bits of each sample, 1 to 8 (ImageOps.posterize).</summary>
    public static void Posterize(PixelSquare square, int bits)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)(v & (0xFF << (8 - bits)));
        ApplyToAll(square, table);
    }

    /// <summary>Stretches each channel to 0..255 (ImageOps.autocontrast).</summary>
    public static void AutoContrast(PixelSquare square)
    {
        Span<int> counts = stackalloc int[256];
        Span<byte> table = stackalloc byte[256];
        for (int channel = 0; channel < 3; channel++)
        {
            Count(square, channel, counts);
            int low = counts.IndexOfAnyExcept(0),
                high = counts.LastIndexOfAnyExcept(0);
            if (high <= low)
                continue;
            double scale = 255.0 / (high - low),
                offset = -low * scale;
            for (int v = 0; v < 256; v++)
                table[v] = (byte)Math.Clamp((int)((v * scale) + offset), 0, 255);
            Apply(square, channel, table);
        }
    }

    /// <summary>Makes each channel's histogram as flat as a table can (ImageOps.equalize).</summary>
    public static void Equalize(PixelSquare square)
    {
        Span<int> counts = stackalloc int[256];
        Span<byte> table = stackalloc byte[256];
        for (int channel = 0; channel < 3; channel++)
        {
            Count(square, channel, counts);
            int step = ((square.Size * square.Size) - counts[counts.LastIndexOfAnyExcept(0)]) / 255;
            if (step == 0)
                continue;
            for (int v = 0, below = step / 2; v < 256; below += counts[v++])
                table[v] = (byte)Math.Min(below / step, 255);
            Apply(square, channel, table);
        }
    }

    private static void Blend(PixelSquare square, int other, float factor)
    {
        Span<byte> table = stackalloc byte[256];
        for (int v = 0; v < 256; v++)
            table[v] = (byte)Math.Clamp(other + (factor * (v - other)), 0, 255);
        ApplyToAll(square, table);
    }

    private static int MeanGrey(PixelSquare square)
    {
        long sum = 0;
        for (int y = 0; y < square.Size; y++)
        {
            ReadOnlySpan<byte> red = square.Row(y, 0),
                green = square.Row(y, 1),
                blue = square.Row(y, 2);
            for (int x = 0; x < red.Length; x++)
                sum += Colours.Grey(red[x], green[x], blue[x]);
        }
        return (int)(((double)sum / ((long)square.Size * square.Size)) + 0.5);
    }

    private static void Count(PixelSquare square, int channel, Span<int> counts)
    {
        counts.Clear();
        for (int y = 0; y < square.Size; y++)
            foreach (byte sample in square.Row(y, channel))
                counts[sample]++;
    }

    private static void ApplyToAll(PixelSquare square, ReadOnlySpan<byte> table)
    {
        for (int channel = 0; channel < 3; channel++)
            Apply(square, channel, table);
    }

    private static void Apply(PixelSquare square, int channel, ReadOnlySpan<byte> table)
    {
        for (int y = 0; y < square.Size; y++)
            foreach (ref byte sample in square.Row(y, channel))
                sample = table[sample];
    }
}
