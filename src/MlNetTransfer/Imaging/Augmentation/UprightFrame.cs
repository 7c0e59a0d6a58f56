using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>Holds a decoded image as upright RGB; reused for one image after another.</summary>
/// <remarks>
/// An image of more than 8 · Size² pixels is reduced as it is decoded, antialiased, to sides of 2 · Size, or, where the framing keeps the aspect
/// ratio, to a shorter side of 2 · Size: a crop of a quarter of the area is still not enlarged, and at most 24 · Size² bytes are held
/// (1.2 MB for 224), but for very long images of which a square is taken.
/// </remarks>
internal sealed unsafe class UprightFrame(Preprocessing preprocessing, bool reduces = true) : IStripSink, IDisposable
{
    private readonly NativeBuffer _pixels = new(), _rowPixels = new();
    private readonly StripResizer _reducer = new(preprocessing.Interpolation, SimdLevels.Best);
    private OutputOrder _order;
    private int _sourceWidth, _storedWidth, _storedHeight, _row;
    private bool _reduced;

    /// <summary>Upright columns.</summary>
    public int Width => _order.Transposed ? _storedHeight : _storedWidth;

    /// <summary>Upright rows.</summary>
    public int Height => _order.Transposed ? _storedWidth : _storedHeight;

    /// <summary>[Height × Width × 3].</summary>
    public ReadOnlySpan<byte> Pixels => new(_pixels.Memory, 3 * Width * Height);

    public (int Left, int Top, int Width, int Height) Begin(PixelSource source)
    {
        _order = OutputOrder.Of(source.Orientation);
        _sourceWidth = source.Width;
        _row = 0;
        (_storedWidth, _storedHeight) = Reduced(source.Width, source.Height);
        _reduced = (_storedWidth, _storedHeight) != (source.Width, source.Height);
        if (_reduced) _reducer.Begin(source.Width, source.Height, source.Bands <= 2 ? 1 : 3, _storedWidth, _storedHeight);
        _pixels.Reserve(3L * _storedWidth * _storedHeight);
        return (0, 0, source.Width, source.Height);
    }

    public void Push(byte* strip, int channels, int rows)
    {
        if (_reduced)
        {
            _reducer.Push(strip, channels * (nint)_sourceWidth, rows);
            return;
        }
        for (int y = 0; y < rows; y++) Place(strip + ((nint)y * _storedWidth * channels), channels);
    }

    /// <summary>To be called when all strips were pushed.</summary>
    public void Complete()
    {
        if (!_reduced) return;
        byte* row = _rowPixels.Reserve(3L * _storedWidth);
        int green = _reducer.Channels == 3 ? _reducer.PlaneStride : 0, blue = 2 * green;
        for (int y = 0; y < _storedHeight; y++)
        {
            byte* from = _reducer.Frame + ((nint)y * _reducer.RowStride), to = row;
            for (byte* end = from + _storedWidth; from < end; from++, to += 3)
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
        _pixels.Dispose();
        _rowPixels.Dispose();
        _reducer.Dispose();
    }

    private (int Width, int Height) Reduced(int width, int height)
    {
        int side = 2 * preprocessing.Size, shorter = Math.Min(width, height);
        if (!reduces || (long)width * height <= 2L * side * side) return (width, height);
        if (preprocessing.Framing == Framing.Stretch) return (side, side);
        return shorter <= side ? (width, height) : (Scaled(width), Scaled(height));

        int Scaled(int length) => (int)Math.Round((double)length * side / shorter);
    }

    /// <summary>Writes the next stored row where it lies in the upright image.</summary>
    private void Place(byte* from, int channels)
    {
        nint across = _order.Transposed ? 3 * (nint)Width : 3, down = _order.Transposed ? 3 : 3 * (nint)Width;
        byte* to = _pixels.Memory + ((_order.FlippedY ? _storedHeight - 1 - _row : _row) * down);
        _row++;
        if (_order.FlippedX)
        {
            to += (_storedWidth - 1) * across;
            across = -across;
        }
        if (channels == 3 && across == 3)
        {
            Buffer.MemoryCopy(from, to, 3L * _storedWidth, 3L * _storedWidth);
            return;
        }
        int green = channels == 3 ? 1 : 0, blue = 2 * green;
        for (byte* end = from + ((nint)_storedWidth * channels); from < end; from += channels, to += across)
        {
            to[0] = from[0];
            to[1] = from[green];
            to[2] = from[blue];
        }
    }
}
