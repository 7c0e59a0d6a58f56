using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging.Resizing;

/// <summary>Writes a resized image in upright order, as a normalised tensor or as pixels.</summary>
internal sealed unsafe class TensorWriter
{
    private readonly int width,
        height;
    private readonly float[] values;

    public TensorWriter(Preprocessing preprocessing)
    {
        (width, height) = preprocessing.Shape;
        values = PixelValues.Table(preprocessing.Mean, preprocessing.Std);
    }

    /// <summary>
    /// Resized bytes → [3 × height × width]; a table lookup, so every value is the correctly rounded formula.
    /// </summary>
    public void WriteTensor(StripResizer resized, OutputOrder order, Span<float> destination)
    {
        fixed (
            float* values = this.values,
                start = destination
        )
        {
            float* output = start;
            for (int channel = 0; channel < 3; channel++)
            {
                for (int y = 0; y < height; y++)
                {
                    (nint offset, nint step) = Locate(resized, order, y);
                    byte* pixel = Plane(resized, channel) + offset;
                    float* table = values + (256 * channel);
                    for (float* end = output + width; output < end; output++, pixel += step)
                        *output = table[*pixel];
                }
            }
        }
    }

    /// <summary>Resized bytes → [height × width × 3].</summary>
    public void WritePixels(StripResizer resized, OutputOrder order, Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            byte* output = start;
            for (int y = 0; y < height; y++)
            {
                (nint offset, nint step) = Locate(resized, order, y);
                for (int x = 0; x < width; x++, offset += step)
                {
                    for (int channel = 0; channel < 3; channel++)
                        *output++ = Plane(resized, channel)[offset];
                }
            }
        }
    }

    private static byte* Plane(StripResizer resized, int channel) =>
        resized.Frame + (resized.Channels == 3 ? channel * resized.PlaneStride : 0);

    /// <summary>
    /// Offset of the first pixel of upright row <paramref name="y"/> in a plane, and from one pixel of that row to the
    /// next.
    /// </summary>
    private static (nint Offset, nint Step) Locate(StripResizer resized, OutputOrder order, int y)
    {
        nint row = resized.RowStride;
        int storedX = order.Transposed ? y : 0,
            storedY = order.Transposed ? 0 : y;
        if (order.FlippedX)
            storedX = resized.Width - 1 - storedX;
        if (order.FlippedY)
            storedY = resized.Height - 1 - storedY;
        nint step = order.Transposed ? (order.FlippedY ? -row : row) : (order.FlippedX ? -1 : 1);
        return ((storedY * row) + storedX, step);
    }
}

/// <summary>
/// Which stored row and column of a resized image an upright output pixel comes from: EXIF orientation as a
/// permutation.
/// </summary>
/// <param name="Transposed">Whether upright rows are stored columns (orientations 5 to 8).</param>
/// <param name="FlippedX">Whether stored columns run against the upright axis they lie on.</param>
/// <param name="FlippedY">Whether stored rows run against the upright axis they lie on.</param>
internal readonly record struct OutputOrder(bool Transposed, bool FlippedX, bool FlippedY)
{
    /// <param name="orientation">EXIF orientation (tag 0x0112, EXIF 2.3 section 4.6.4), 1 to 8.</param>
    public static OutputOrder Of(int orientation) =>
        new(orientation is >= 5 and <= 8, orientation is 2 or 3 or 7 or 8, orientation is 3 or 4 or 6 or 7);

    /// <summary>Turns upright sides into stored ones, or back.</summary>
    public (int Width, int Height) Turned((int Width, int Height) sides) =>
        Transposed ? (sides.Height, sides.Width) : sides;

    /// <summary>
    /// The largest centred box of a stored image with the aspect ratio of a shape; where it cannot be centred exactly
    /// it
    /// lies towards the upright top left.
    /// </summary>
    /// <param name="width">Stored columns.</param>
    /// <param name="height">Stored rows.</param>
    /// <param name="shape">The shape, upright.</param>
    public (int Left, int Top, int Width, int Height) CentredBox(int width, int height, (int Width, int Height) shape)
    {
        (int across, int down) = Turned(shape);
        int boxWidth = (int)Math.Min(width, Math.Max(1, (long)height * across / down)),
            boxHeight = (int)Math.Min(height, Math.Max(1, (long)width * down / across));
        return (Offset(width - boxWidth, FlippedX), Offset(height - boxHeight, FlippedY), boxWidth, boxHeight);
    }

    private static int Offset(int slack, bool flipped) => flipped ? slack - (slack / 2) : slack / 2;
}

/// <summary>Transposes blocks of 16 x 16 bytes, which turns the horizontal pass into the vertical one.</summary>
internal static unsafe class ByteTranspose
{
    /// <summary>Bytes on a side of a block.</summary>
    public const int Side = 16;

    /// <summary>
    /// <c>output[i][j] = input[j][i]</c> for i, j in 0..15, rows being the given numbers of bytes apart.
    /// </summary>
    public static void Block(SimdLevel level, byte* input, nint inputStride, byte* output, nint outputStride)
    {
        if (level != SimdLevel.Scalar && (Sse2.IsSupported || AdvSimd.Arm64.IsSupported))
            BlockVector128(input, inputStride, output, outputStride);
        else
            BlockScalar(input, inputStride, output, outputStride);
    }

    private static void BlockScalar(byte* input, nint inputStride, byte* output, nint outputStride)
    {
        for (int i = 0; i < Side; i++)
        {
            for (int j = 0; j < Side; j++)
                output[(i * outputStride) + j] = input[(j * inputStride) + i];
        }
    }

    /// <summary>
    /// Four perfect shuffles: interleaving row i with row i + 8 rotates the eight bits of (row, column) by one, four
    /// turns swap the two.
    /// </summary>
    [SkipLocalsInit]
    private static void BlockVector128(byte* input, nint inputStride, byte* output, nint outputStride)
    {
        Vector128<byte>* a = stackalloc Vector128<byte>[Side];
        Vector128<byte>* b = stackalloc Vector128<byte>[Side];
        for (int i = 0; i < Side; i++)
            a[i] = Vector128.Load(input + (i * inputStride));
        Shuffle(a, b);
        Shuffle(b, a);
        Shuffle(a, b);
        Shuffle(b, a);
        for (int i = 0; i < Side; i++)
            a[i].Store(output + (i * outputStride));
    }

    private static void Shuffle(Vector128<byte>* from, Vector128<byte>* to)
    {
        for (int i = 0; i < Side / 2; i++)
        {
            to[2 * i] = InterleaveLow(from[i], from[i + 8]);
            to[(2 * i) + 1] = InterleaveHigh(from[i], from[i + 8]);
        }
    }

    private static Vector128<byte> InterleaveLow(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    private static Vector128<byte> InterleaveHigh(Vector128<byte> a, Vector128<byte> b) =>
        Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}

/// <summary>Gives what the framing takes of an image to a resizer.</summary>
internal sealed unsafe class FramedStrips(StripResizer resizer, Preprocessing preprocessing) : IStripSink
{
    private int width;

    public (int Left, int Top, int Width, int Height) Begin(PixelSource source)
    {
        var order = OutputOrder.Of(source.Orientation);
        (int left, int top, width, int height) =
            preprocessing.Framing == Framing.CenterCrop
                ? order.CentredBox(source.Width, source.Height, preprocessing.Shape)
                : (0, 0, source.Width, source.Height);
        (AxisOutput across, AxisOutput down) = preprocessing.Output(width, height, order);
        resizer.Begin(width, height, source.Bands <= 2 ? 1 : 3, across, down);
        return (left, top, width, height);
    }

    public void Push(byte* strip, int channels, int rows) => resizer.Push(strip, channels * (nint)width, rows);
}

/// <summary>
/// 64-byte aligned memory outside the managed heap which only ever grows, so that a worker reuses it for every image.
/// </summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;
    private byte* memory;
    private nuint capacity;

    ~NativeBuffer() => Free();

    /// <summary>The memory of the last <see cref="Reserve"/>.</summary>
    public byte* Memory => memory;

    /// <summary>
    /// At least <paramref name="bytes"/> bytes and <see cref="Alignment"/> more, which wide loads may touch. The
    /// content is undefined after growth.
    /// </summary>
    public byte* Reserve(long bytes)
    {
        nuint needed = (nuint)bytes + Alignment;
        if (needed <= capacity)
            return memory;
        Free();
        memory = (byte*)NativeMemory.AlignedAlloc(needed, Alignment);
        capacity = needed;
        return memory;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(memory);
        memory = null;
        capacity = 0;
    }
}
