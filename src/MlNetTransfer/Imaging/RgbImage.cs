namespace MlNetTransfer.Imaging;

/// <summary>Decoded pixels: 8-bit sRGB, [Height × Width × 3], rows from top to bottom, without padding.</summary>
public sealed class RgbImage
{
    /// <summary>Wraps pixels; they are kept, not copied, so they must not change while the image is in use.</summary>
    /// <param name="width">Columns, in [1, 2³⁰].</param>
    /// <param name="height">Rows, in [1, 2³⁰].</param>
    /// <param name="pixels">Height · Width · 3 bytes: red, green, blue.</param>
    /// <exception cref="ArgumentException">The number of bytes is another.</exception>
    public RgbImage(int width, int height, ReadOnlyMemory<byte> pixels)
    {
        (Width, Height, Pixels) = (Check.InRange(width, 1, 1 << 30), Check.InRange(height, 1, 1 << 30), pixels);
        if (3L * width * height != pixels.Length)
            throw new ArgumentException(
                $"{width} x {height} pixels need {3L * width * height} bytes of RGB, not {pixels.Length}.",
                nameof(pixels)
            );
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>[Height × Width × 3] bytes.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }
}
