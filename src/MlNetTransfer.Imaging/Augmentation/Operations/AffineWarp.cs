namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>
/// Where in the input an output pixel lies: <c>(A x + B y + C, D x + E y + F)</c>, both measured at pixel centres
/// (Pillow's AFFINE).
/// </summary>
internal readonly record struct AffineWarp(double A, double B, double C, double D, double E, double F)
{
    /// <summary>What lies outside the input: mid-grey, close to the mean that backbones are normalised by.</summary>
    public const byte Fill = 128;

    /// <summary>Fractional bits of a bilinear weight; two of them and a sample fit in 31 bits.</summary>
    private const int Bits = 11;

    /// <summary>Turns counter-clockwise about the centre.</summary>
    public static AffineWarp Rotation(double degrees, int width, int height)
    {
        (double sin, double cos) = Math.SinCos(degrees * Math.PI / 180);
        return About(width, height, cos, -sin, sin, cos);
    }

    /// <summary>Shears rows against each other, about the centre.</summary>
    public static AffineWarp ShearX(double slope, int width, int height) => About(width, height, 1, slope, 0, 1);

    /// <summary>Shears columns against each other, about the centre.</summary>
    public static AffineWarp ShearY(double slope, int width, int height) => About(width, height, 1, 0, slope, 1);

    /// <summary>Moves the content by pixels to the right and down.</summary>
    public static AffineWarp Translation(double right, double down) => new(1, 0, -right, 0, 1, -down);

    /// <summary>Warps bilinearly.</summary>
    public void Apply(PixelFrame input, PixelFrame output)
    {
        for (int y = 0; y < output.Height; y++)
        {
            double u = (0.5 * A) + (B * (y + 0.5)) + C,
                v = (0.5 * D) + (E * (y + 0.5)) + F;
            for (int x = 0; x < output.Width; x++)
                Pixel(input, output, x, y, u + (A * x), v + (D * x));
        }
    }

    private static unsafe void Pixel(PixelFrame input, PixelFrame output, int x, int y, double u, double v)
    {
        byte* to = (byte*)output.Pixels + ((nint)y * output.RowStride) + x;
        int plane = output.PlaneStride,
            lastColumn = input.Width - 1,
            lastRow = input.Height - 1;
        if (!(u >= 0 && v >= 0 && u < input.Width && v < input.Height))
        {
            to[0] = to[plane] = to[2 * plane] = Fill;
            return;
        }
        // Shifted by half a pixel and one, so that the fixed-point number is positive and its high bits are the floor
        // plus one.
        int fixedU = (int)(((u + 0.5) * (1 << Bits)) + 0.5),
            fixedV = (int)(((v + 0.5) * (1 << Bits)) + 0.5);
        int column = (fixedU >> Bits) - 1,
            row = (fixedV >> Bits) - 1,
            right = fixedU & ((1 << Bits) - 1),
            down = fixedV & ((1 << Bits) - 1);
        int left = (1 << Bits) - right,
            up = (1 << Bits) - down;
        nint nearX = Math.Max(column, 0),
            farX = Math.Min(column + 1, lastColumn);
        byte* top = (byte*)input.Pixels + ((nint)Math.Max(row, 0) * input.RowStride),
            bottom = (byte*)input.Pixels + ((nint)Math.Min(row + 1, lastRow) * input.RowStride);
        for (int channel = 0; channel < 3; channel++, top += plane, bottom += plane, to += plane)
        {
            int sum =
                (((top[nearX] * left) + (top[farX] * right)) * up)
                + (((bottom[nearX] * left) + (bottom[farX] * right)) * down);
            *to = (byte)((sum + (1 << ((2 * Bits) - 1))) >> (2 * Bits));
        }
    }

    private static AffineWarp About(int width, int height, double a, double b, double d, double e)
    {
        double x = width / 2.0,
            y = height / 2.0;
        return new(a, b, x - (a * x) - (b * y), d, e, y - (d * x) - (e * y));
    }
}

/// <summary>
/// RGB pixels in planar rows [Height × 3 × PlaneStride]: what a resizer leaves, changed in place.
/// </summary>
/// <param name="Pixels">The first sample.</param>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="PlaneStride">Bytes of one channel of one row, at least <paramref name="Width"/>; those past it mean
/// nothing.</param>
internal readonly unsafe record struct PixelFrame(nint Pixels, int Width, int Height, int PlaneStride)
{
    /// <summary>Bytes of one row of three channels.</summary>
    public int RowStride => 3 * PlaneStride;

    /// <summary>Bytes of all rows.</summary>
    public int Length => Height * RowStride;

    /// <summary>One channel of one row.</summary>
    public Span<byte> Row(int y, int channel) =>
        new((byte*)Pixels + ((nint)y * RowStride) + (channel * PlaneStride), Width);
}

/// <summary>Does what <see cref="RandomErasing"/> says.</summary>
internal static class Eraser
{
    private const int Attempts = 10;

    public static void Apply(RandomErasing options, PixelFrame frame, Rng rng)
    {
        if (rng.NextDouble() < options.Probability && Draw(options, frame.Width, frame.Height, rng) is { } box)
            FillWithNoise(frame, box, rng);
    }

    /// <summary>The box to be erased, inside an image of the given sides; null when none fits.</summary>
    public static CropBox? Draw(RandomErasing options, int columns, int rows, Rng rng)
    {
        double reach = Math.Log(options.MaxAspect);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double share = options.MinArea + (rng.NextDouble() * (options.MaxArea - options.MinArea));
            double side = Math.Sqrt((double)columns * rows) * Math.Sqrt(share);
            double stretch = Math.Exp(0.5 * reach * ((2 * rng.NextDouble()) - 1));
            int width = (int)Math.Round(side * stretch),
                height = (int)Math.Round(side / stretch);
            if (width >= 1 && height >= 1 && width <= columns && height <= rows)
                return new(rng.Next(columns - width + 1), rng.Next(rows - height + 1), width, height);
        }
        return null;
    }

    private static void FillWithNoise(PixelFrame frame, CropBox box, Rng rng)
    {
        for (int y = box.Top; y < box.Top + box.Height; y++)
        {
            for (int channel = 0; channel < 3; channel++)
                rng.Fill(frame.Row(y, channel).Slice(box.Left, box.Width));
        }
    }
}
