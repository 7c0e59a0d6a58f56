using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Holds a whole decoded image as upright RGB; reused for one image after another.</summary>
internal sealed unsafe class UprightFrame : IStripSink, IDisposable
{
    private readonly NativeBuffer _pixels = new();
    private OutputOrder _order;
    private int _storedWidth, _storedHeight, _row;

    /// <summary>Upright columns.</summary>
    public int Width => _order.Transposed ? _storedHeight : _storedWidth;

    /// <summary>Upright rows.</summary>
    public int Height => _order.Transposed ? _storedWidth : _storedHeight;

    /// <summary>[Height × Width × 3]; 16 rows and 16 bytes more are readable.</summary>
    public byte* Pixels => _pixels.Memory;

    public (int Left, int Top, int Width, int Height) Begin(PixelSource source)
    {
        (_storedWidth, _storedHeight, _row) = (source.Width, source.Height, 0);
        _order = OutputOrder.Of(source.Orientation);
        _pixels.Reserve((3L * Width * (Height + StripResizer.StripRows)) + StripResizer.StripRows);
        return (0, 0, _storedWidth, _storedHeight);
    }

    public void Push(byte* strip, int channels, int rows)
    {
        // Where the next stored column and the next stored row lie in the upright image.
        nint across = _order.Transposed ? 3 * (nint)Width : 3, down = _order.Transposed ? 3 : 3 * (nint)Width;
        byte* origin = Pixels;
        if (_order.FlippedX)
        {
            origin += (_storedWidth - 1) * across;
            across = -across;
        }
        if (_order.FlippedY)
        {
            origin += (_storedHeight - 1) * down;
            down = -down;
        }
        for (int y = 0; y < rows; y++, _row++)
        {
            byte* from = strip + ((nint)y * _storedWidth * channels), to = origin + (_row * down);
            if (channels == 3 && across == 3) Buffer.MemoryCopy(from, to, 3L * _storedWidth, 3L * _storedWidth);
            else Spread(from, channels, to, across);
        }
    }

    public void Dispose() => _pixels.Dispose();

    private void Spread(byte* from, int channels, byte* to, nint across)
    {
        int green = channels == 3 ? 1 : 0, blue = 2 * green;
        for (byte* end = from + ((nint)_storedWidth * channels); from < end; from += channels, to += across)
            (to[0], to[1], to[2]) = (from[0], from[green], from[blue]);
    }
}
