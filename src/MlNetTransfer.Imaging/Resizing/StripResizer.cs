namespace MlNetTransfer.Imaging.Resizing;

/// <summary>
/// Resizes an image that arrives in strips of rows, antialiased: Pillow's two passes, the horizontal one first and
/// rounded to bytes between. Holds the rows that the filter still needs, never the image.
/// </summary>
/// <remarks>
/// A strip [16 rows × width × channels] is transposed to [width × channels × 16 rows]; the horizontal pass is then a
/// weighted sum of whole rows of bytes, as the vertical pass is, and the result is transposed back into planar rows.
/// O(pixels) whatever the scale.
/// </remarks>
internal sealed unsafe class StripResizer(Interpolation interpolation, SimdLevel level) : IDisposable
{
    /// <summary>Most rows in one strip.</summary>
    public const int StripRows = ByteTranspose.Side;

    private readonly AxisWeights horizontal = new(interpolation);
    private readonly AxisWeights vertical = new(interpolation);
    private readonly NativeBuffer columns = new(),
        narrowed = new(),
        window = new(),
        frame = new();
    private int windowFirst,
        windowRows,
        windowCapacity,
        nextOutput;

    /// <summary>1 (grey) or 3 (RGB).</summary>
    public int Channels { get; private set; }

    /// <summary>Output columns.</summary>
    public int Width => horizontal.Outputs;

    /// <summary>Output rows.</summary>
    public int Height => vertical.Outputs;

    /// <summary>Bytes of one channel of one output row: the width rounded up to 16.</summary>
    public int PlaneStride => (Width + 15) & ~15;

    /// <summary>Bytes of one output row.</summary>
    public int RowStride => Channels * PlaneStride;

    /// <summary>The output [Height × channels × PlaneStride], complete when all rows were pushed.</summary>
    public byte* Frame { get; private set; }

    /// <summary>
    /// Starts an image of <paramref name="width"/> x <paramref name="height"/> pixels with 1 or 3 channels, to be
    /// resized to any shape.
    /// </summary>
    public void Begin(int width, int height, int channels, int outputWidth, int outputHeight) =>
        Begin(width, height, channels, AxisOutput.Whole(outputWidth), AxisOutput.Whole(outputHeight));

    /// <summary>The same, of which a part is made.</summary>
    public void Begin(int width, int height, int channels, AxisOutput across, AxisOutput down)
    {
        Channels = channels;
        horizontal.Build(width, across);
        vertical.Build(height, down);
        windowFirst = windowRows = nextOutput = 0;
        windowCapacity = vertical.Stride + (4 * StripRows);
        columns.Reserve((width + 1L) * channels * StripRows + (StripRows * StripRows));
        narrowed.Reserve(RowStride * StripRows);
        window.Reserve((windowCapacity + 1L) * RowStride);
        Frame = frame.Reserve((long)down.Count * RowStride);
    }

    /// <summary>Takes the next rows. 16 rows and 16 bytes past the last one are read, whatever they hold.</summary>
    public void Push(byte* strip, nint stride, int rows)
    {
        if (nextOutput == Height)
            return;
        NarrowInto(strip, stride, MakeRoom());
        windowRows += rows;
        byte* window = this.window.Memory;
        fixed (
            int* weights = vertical.Weights,
                pairs = vertical.Pairs
        )
        {
            for (; nextOutput < Height; nextOutput++)
            {
                int first = vertical.First[nextOutput],
                    taps = vertical.Taps[nextOutput],
                    offset = nextOutput * vertical.Stride;
                if (first + taps > windowFirst + windowRows)
                    break;
                byte* top = window + ((long)(first - windowFirst) * RowStride);
                WeightedSum.Run(
                    level,
                    top,
                    RowStride,
                    taps,
                    weights + offset,
                    pairs + offset,
                    Frame + ((long)nextOutput * RowStride),
                    RowStride
                );
            }
        }
    }

    public void Dispose()
    {
        columns.Dispose();
        narrowed.Dispose();
        window.Dispose();
        frame.Dispose();
    }

    /// <summary>The horizontal pass over one strip; writes 16 planar rows.</summary>
    private void NarrowInto(byte* strip, nint stride, byte* rows)
    {
        const int side = ByteTranspose.Side;
        byte* columns = this.columns.Memory,
            narrowed = this.narrowed.Memory;
        int bytes = horizontal.Inputs * Channels,
            column = Channels * side;
        for (int i = 0; i < bytes; i += side)
            ByteTranspose.Block(level, strip + i, stride, columns + ((long)i * side), side);
        fixed (
            int* weights = horizontal.Weights,
                pairs = horizontal.Pairs
        )
        {
            for (int x = 0; x < Width; x++)
            {
                byte* first = columns + ((long)horizontal.First[x] * column);
                int offset = x * horizontal.Stride;
                WeightedSum.Run(
                    level,
                    first,
                    column,
                    horizontal.Taps[x],
                    weights + offset,
                    pairs + offset,
                    narrowed + (x * column),
                    column
                );
            }
        }
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int x = 0; x < PlaneStride; x += side)
                ByteTranspose.Block(
                    level,
                    narrowed + (x * column) + (channel * side),
                    column,
                    rows + (channel * PlaneStride) + x,
                    RowStride
                );
        }
    }

    /// <summary>
    /// Drops the rows no later output needs once a strip would not fit, and returns where the next row goes.
    /// </summary>
    private byte* MakeRoom()
    {
        byte* window = this.window.Memory;
        if (windowRows + StripRows > windowCapacity)
        {
            int drop = Math.Min(vertical.First[nextOutput] - windowFirst, windowRows);
            int keep = windowRows - drop;
            Buffer.MemoryCopy(
                window + ((long)drop * RowStride),
                window,
                (long)windowCapacity * RowStride,
                (long)keep * RowStride
            );
            windowFirst += drop;
            windowRows = keep;
        }
        return window + ((long)windowRows * RowStride);
    }
}
