namespace MlNetTransfer.Imaging.Resizing;

/// <summary>
/// Resizes an image that arrives in strips of rows, antialiased: Pillow's two passes, the horizontal one first and rounded to
/// bytes between. Holds the rows that the filter still needs, never the image.
/// </summary>
/// <remarks>
/// A strip [16 rows × width × channels] is transposed to [width × channels × 16 rows]; the horizontal pass is then a weighted sum of whole
/// rows of bytes, as the vertical pass is, and the result is transposed back into planar rows. O(pixels) whatever the scale.
/// </remarks>
internal sealed unsafe class StripResizer(Interpolation interpolation, SimdLevel level) : IDisposable
{
    /// <summary>Most rows in one strip.</summary>
    public const int StripRows = ByteTranspose.Side;

    private readonly AxisWeights _horizontal = new(interpolation);
    private readonly AxisWeights _vertical = new(interpolation);
    private readonly NativeBuffer _columns = new(), _narrowed = new(), _window = new(), _frame = new();
    private int _windowFirst, _windowRows, _windowCapacity, _nextOutput;

    /// <summary>1 (grey) or 3 (RGB).</summary>
    public int Channels { get; private set; }

    /// <summary>Output columns.</summary>
    public int Width => _horizontal.Outputs;

    /// <summary>Output rows.</summary>
    public int Height => _vertical.Outputs;

    /// <summary>Bytes of one channel of one output row: the width rounded up to 16.</summary>
    public int PlaneStride => (Width + 15) & ~15;

    /// <summary>Bytes of one output row.</summary>
    public int RowStride => Channels * PlaneStride;

    /// <summary>The output [Height × channels × PlaneStride], complete when all rows were pushed.</summary>
    public byte* Frame { get; private set; }

    /// <summary>Starts an image of <paramref name="width"/> x <paramref name="height"/> pixels with 1 or 3 channels, to be resized to a square.</summary>
    public void Begin(int width, int height, int channels, int size) => Begin(width, height, channels, size, size);

    /// <summary>Starts an image of <paramref name="width"/> x <paramref name="height"/> pixels with 1 or 3 channels, to be resized to any shape.</summary>
    public void Begin(int width, int height, int channels, int outputWidth, int outputHeight)
    {
        Channels = channels;
        _horizontal.Build(width, outputWidth);
        _vertical.Build(height, outputHeight);
        _windowFirst = _windowRows = _nextOutput = 0;
        _windowCapacity = _vertical.Stride + (4 * StripRows);
        _columns.Reserve((width + 1L) * channels * StripRows + (StripRows * StripRows));
        _narrowed.Reserve(RowStride * StripRows);
        _window.Reserve((_windowCapacity + 1L) * RowStride);
        Frame = _frame.Reserve((long)outputHeight * RowStride);
    }

    /// <summary>Takes the next rows. 16 rows and 16 bytes past the last one are read, whatever they hold.</summary>
    public void Push(byte* strip, nint stride, int rows)
    {
        if (_nextOutput == Height) return;
        NarrowInto(strip, stride, MakeRoom());
        _windowRows += rows;
        byte* window = _window.Memory;
        fixed (int* weights = _vertical.Weights, pairs = _vertical.Pairs)
        {
            for (; _nextOutput < Height; _nextOutput++)
            {
                int first = _vertical.First[_nextOutput], taps = _vertical.Taps[_nextOutput], offset = _nextOutput * _vertical.Stride;
                if (first + taps > _windowFirst + _windowRows) break;
                byte* top = window + ((long)(first - _windowFirst) * RowStride);
                WeightedSum.Run(level, top, RowStride, taps, weights + offset, pairs + offset, Frame + ((long)_nextOutput * RowStride), RowStride);
            }
        }
    }

    public void Dispose()
    {
        _columns.Dispose();
        _narrowed.Dispose();
        _window.Dispose();
        _frame.Dispose();
    }

    /// <summary>The horizontal pass over one strip; writes 16 planar rows.</summary>
    private void NarrowInto(byte* strip, nint stride, byte* rows)
    {
        const int side = ByteTranspose.Side;
        byte* columns = _columns.Memory, narrowed = _narrowed.Memory;
        int bytes = _horizontal.Inputs * Channels, column = Channels * side;
        for (int i = 0; i < bytes; i += side) ByteTranspose.Block(level, strip + i, stride, columns + ((long)i * side), side);
        fixed (int* weights = _horizontal.Weights, pairs = _horizontal.Pairs)
        {
            for (int x = 0; x < Width; x++)
            {
                byte* first = columns + ((long)_horizontal.First[x] * column);
                int offset = x * _horizontal.Stride;
                WeightedSum.Run(level, first, column, _horizontal.Taps[x], weights + offset, pairs + offset, narrowed + (x * column), column);
            }
        }
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int x = 0; x < PlaneStride; x += side)
                ByteTranspose.Block(level, narrowed + (x * column) + (channel * side), column, rows + (channel * PlaneStride) + x, RowStride);
        }
    }

    /// <summary>Drops the rows no later output needs once a strip would not fit, and returns where the next row goes.</summary>
    private byte* MakeRoom()
    {
        byte* window = _window.Memory;
        if (_windowRows + StripRows > _windowCapacity)
        {
            int drop = Math.Min(_vertical.First[_nextOutput] - _windowFirst, _windowRows);
            int keep = _windowRows - drop;
            Buffer.MemoryCopy(window + ((long)drop * RowStride), window, (long)_windowCapacity * RowStride, (long)keep * RowStride);
            _windowFirst += drop;
            _windowRows = keep;
        }
        return window + ((long)_windowRows * RowStride);
    }
}
