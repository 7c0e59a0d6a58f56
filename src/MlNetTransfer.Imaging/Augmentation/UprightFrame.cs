using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Holds a decoded image as upright RGB; reused for one image after another.</summary>
/// <remarks>
/// An image of more than eight times the input's pixels is reduced as it is decoded, antialiased, to twice the input's
/// sides, or, where the framing keeps the aspect ratio, until it just covers them: a crop of a quarter of the area is
/// still not enlarged, and at most 24 bytes are held per pixel of the input (1.2 MB for 224), but for very long images
/// of which the middle is taken.
/// </remarks>
internal sealed unsafe class UprightFrame(Preprocessing preprocessing, bool reduces = true) : IStripSink, IDisposable
{
    private readonly NativeBuffer pixels = new(),
        rowPixels = new();
    private readonly StripResizer reducer = new(Antialiased(preprocessing.Interpolation), SimdLevels.Best);
    private readonly int? longest;
    private OutputOrder order;
    private int sourceWidth,
        storedWidth,
        storedHeight,
        row;
    private bool reduced;

    /// <summary>A frame whose longer side is at most this; nothing is enlarged.</summary>
    /// <param name="longest">Pixels, in [8, 4096].</param>
    public UprightFrame(int longest)
        : this(new Preprocessing { Size = longest }) => this.longest = longest;

    /// <summary>Upright columns.</summary>
    public int Width => order.Transposed ? storedHeight : storedWidth;

    /// <summary>Upright rows.</summary>
    public int Height => order.Transposed ? storedWidth : storedHeight;

    /// <summary>[Height × Width × 3].</summary>
    public ReadOnlySpan<byte> Pixels => new(pixels.Memory, 3 * Width * Height);

    public (int Left, int Top, int Width, int Height) Begin(PixelSource source)
    {
        order = OutputOrder.Of(source.Orientation);
        sourceWidth = source.Width;
        row = 0;
        (storedWidth, storedHeight) = Reduced(source.Width, source.Height);
        reduced = (storedWidth, storedHeight) != (source.Width, source.Height);
        if (reduced)
            reducer.Begin(source.Width, source.Height, source.Bands <= 2 ? 1 : 3, storedWidth, storedHeight);
        pixels.Reserve(3L * storedWidth * storedHeight);
        return (0, 0, source.Width, source.Height);
    }

    public void Push(byte* strip, int channels, int rows)
    {
        if (reduced)
        {
            reducer.Push(strip, channels * (nint)sourceWidth, rows);
            return;
        }
        for (int y = 0; y < rows; y++)
            Place(strip + ((nint)y * storedWidth * channels), channels);
    }

    /// <summary>To be called when all strips were pushed.</summary>
    public void Complete()
    {
        if (!reduced)
            return;
        byte* row = rowPixels.Reserve(3L * storedWidth);
        int green = reducer.Channels == 3 ? reducer.PlaneStride : 0,
            blue = 2 * green;
        for (int y = 0; y < storedHeight; y++)
        {
            byte* from = reducer.Frame + ((nint)y * reducer.RowStride),
                to = row;
            for (byte* end = from + storedWidth; from < end; from++, to += 3)
            {
                to[0] = from[0];
                to[1] = from[green];
                to[2] = from[blue];
            }
            Place(row, 3);
        }
    }

    public void Dispose()
    {
        pixels.Dispose();
        rowPixels.Dispose();
        reducer.Dispose();
    }

    private (int Width, int Height) Reduced(int width, int height)
    {
        if (longest is { } side)
        {
            double fit = Math.Min(1, (double)side / Math.Max(width, height));
            return (Math.Max(1, Scaled(width, fit)), Math.Max(1, Scaled(height, fit)));
        }
        (int across, int down) = order.Turned(preprocessing.Shape);
        (across, down) = (2 * across, 2 * down);
        if (!reduces || (long)width * height <= 2L * across * down)
            return (width, height);
        if (preprocessing.Framing == Framing.Stretch)
            return (across, down);
        double scale = Math.Max((double)across / width, (double)down / height);
        return scale >= 1 ? (width, height) : (Scaled(width, scale), Scaled(height, scale));

        static int Scaled(int length, double scale) => (int)Math.Round(length * scale);
    }

    /// <summary>A nearest pixel of nearest pixels would be another than that of the image.</summary>
    private static Interpolation Antialiased(Interpolation interpolation) =>
        interpolation == Interpolation.Nearest ? Interpolation.Bilinear : interpolation;

    /// <summary>Writes the next stored row where it lies in the upright image.</summary>
    private void Place(byte* from, int channels)
    {
        nint across = order.Transposed ? 3 * (nint)Width : 3,
            down = order.Transposed ? 3 : 3 * (nint)Width;
        byte* to = pixels.Memory + ((order.FlippedY ? storedHeight - 1 - row : row) * down);
        row++;
        if (order.FlippedX)
        {
            to += (storedWidth - 1) * across;
            across = -across;
        }
        if (channels == 3 && across == 3)
        {
            Buffer.MemoryCopy(from, to, 3L * storedWidth, 3L * storedWidth);
            return;
        }
        int green = channels == 3 ? 1 : 0,
            blue = 2 * green;
        for (byte* end = from + ((nint)storedWidth * channels); from < end; from += channels, to += across)
        {
            to[0] = from[0];
            to[1] = from[green];
            to[2] = from[blue];
        }
    }
}
