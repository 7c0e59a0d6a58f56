using System.Buffers.Binary;
using System.Numerics;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Uncompressed Windows bitmaps, which libvips does not read. Every access is inside the bounds that the header was
/// checked for.
/// </summary>
/// <remarks>
/// Samples of fewer than 8 bits are scaled as <c>v · 255 / max</c>, rounded down, as Pillow does. Alpha that is 0
/// everywhere is taken as absent: many writers leave it so.
/// </remarks>
internal sealed unsafe class BmpSource : PixelSource
{
    private readonly NativeBuffer strip = new();
    private readonly int[] palette = new int[256];
    private BmpHeader header;
    private byte* data;

    public override bool OpenHeader(byte* data, int length, ImageFormat format)
    {
        ReadOnlySpan<byte> file = new(data, length);
        header = BmpHeader.Read(file);
        this.data = data;
        (Width, Height, Bands) = (header.Width, header.Height, 3);
        long lastRow = (((long)Width * header.BitsPerPixel) + 7) / 8;
        long needed = header.PixelOffset + (header.RowBytes * (Height - 1L)) + lastRow;
        if (needed > length)
            throw new ImageRejectedException(
                $"truncated BMP: {Width} x {Height} pixels of {header.BitsPerPixel} bits need {needed} bytes, the "
                    + $"file has {length}"
            );
        ReadPalette(file);
        return true;
    }

    public override bool OpenPixels(int target)
    {
        Bands = header.Alpha != 0 && HasAlpha() ? 4 : 3;
        return true;
    }

    public override byte* ReadStrip(int left, int top, int width, int rows)
    {
        byte* strip = this.strip.Reserve((long)width * Bands * StripResizer.StripRows);
        byte* output = strip;
        for (int y = top; y < top + rows; y++, output += (long)width * Bands)
        {
            byte* row = Row(y);
            switch (header.BitsPerPixel)
            {
                case <= 8:
                    ReadIndexed(row, left, width, output);
                    break;
                case 24:
                    ReadColours(row + (3L * left), width, output);
                    break;
                default:
                    ReadMasked(row, left, width, output);
                    break;
            }
        }
        return strip;
    }

    public override void Close() => data = null;

    public override void Dispose() => strip.Dispose();

    private byte* Row(int y) => data + header.PixelOffset + (header.RowBytes * (header.TopDown ? y : Height - 1 - y));

    private void ReadPalette(ReadOnlySpan<byte> file)
    {
        Array.Clear(palette);
        for (int i = 0; i < header.PaletteEntries; i++)
        {
            ReadOnlySpan<byte> entry = file.Slice(header.PaletteOffset + (i * header.PaletteStride), 3);
            palette[i] = entry[2] | (entry[1] << 8) | (entry[0] << 16);
        }
    }

    private void ReadIndexed(byte* row, int left, int width, byte* output)
    {
        int bits = header.BitsPerPixel,
            mask = (1 << bits) - 1;
        for (int x = left; x < left + width; x++, output += 3)
        {
            long bit = (long)x * bits;
            int colour = palette[(row[bit >> 3] >> (8 - bits - (int)(bit & 7))) & mask];
            (output[0], output[1], output[2]) = ((byte)colour, (byte)(colour >> 8), (byte)(colour >> 16));
        }
    }

    private static void ReadColours(byte* pixel, int width, byte* output)
    {
        for (byte* end = pixel + (3L * width); pixel < end; pixel += 3, output += 3)
            (output[0], output[1], output[2]) = (pixel[2], pixel[1], pixel[0]);
    }

    private void ReadMasked(byte* row, int left, int width, byte* output)
    {
        for (int x = left; x < left + width; x++, output += Bands)
        {
            uint value = Pixel(row, x);
            (output[0], output[1], output[2]) = (
                Sample(value, header.Red),
                Sample(value, header.Green),
                Sample(value, header.Blue)
            );
            if (Bands == 4)
                output[3] = Sample(value, header.Alpha);
        }
    }

    private bool HasAlpha()
    {
        for (int y = 0; y < Height; y++)
        {
            byte* row = Row(y);
            for (int x = 0; x < Width; x++)
            {
                if ((Pixel(row, x) & header.Alpha) != 0)
                    return true;
            }
        }
        return false;
    }

    private uint Pixel(byte* row, int x) =>
        header.BitsPerPixel == 16 ? (uint)(row[2L * x] | (row[(2L * x) + 1] << 8)) : *(uint*)(row + (4L * x));

    private static byte Sample(uint value, uint mask)
    {
        if (mask == 0)
            return 0;
        int shift = BitOperations.TrailingZeroCount(mask);
        ulong most = mask >> shift,
            sample = (value & mask) >> shift;
        return (byte)(sample * 255 / most);
    }
}

/// <summary>
/// The header of a Windows bitmap: 14 bytes of file header, then a BITMAPCOREHEADER (12 bytes) or a BITMAPINFOHEADER
/// (40) and its successors.
/// </summary>
/// <param name="Width">Columns in pixels, above 0.</param>
/// <param name="Height">Rows in pixels, above 0.</param>
/// <param name="TopDown">Whether the first stored row is the top one; it is the bottom one otherwise.</param>
/// <param name="BitsPerPixel">1, 4, 8, 16, 24 or 32.</param>
/// <param name="PaletteOffset">Where the palette starts; entries are blue, green, red and perhaps a fourth
/// byte.</param>
/// <param name="PaletteEntries">Colours in the palette; 0 above 8 bits per pixel.</param>
/// <param name="PaletteStride">Bytes of one palette entry, 3 or 4.</param>
/// <param name="PixelOffset">Where the rows start.</param>
/// <param name="Red">Mask of red at 16 and 32 bits per pixel.</param>
/// <param name="Green">Mask of green.</param>
/// <param name="Blue">Mask of blue.</param>
/// <param name="Alpha">Mask of alpha; 0 for none.</param>
internal readonly record struct BmpHeader(
    int Width,
    int Height,
    bool TopDown,
    int BitsPerPixel,
    int PaletteOffset,
    int PaletteEntries,
    int PaletteStride,
    int PixelOffset,
    uint Red,
    uint Green,
    uint Blue,
    uint Alpha
)
{
    private const int FileHeader = 14,
        CoreHeader = 12,
        InfoHeader = 40;

    /// <summary>Bytes of one stored row, padded to four.</summary>
    public long RowBytes => ((((long)Width * BitsPerPixel) + 31) / 32) * 4;

    /// <exception cref="ImageRejectedException">Damaged, truncated or of a kind that is not decoded.</exception>
    public static BmpHeader Read(ReadOnlySpan<byte> file)
    {
        int size = file.Length < FileHeader + 4 ? 0 : Int32(file, FileHeader);
        if (size is not (CoreHeader or InfoHeader or 52 or 56 or 64 or 108 or 124))
            throw new ImageRejectedException(
                $"unreadable header of BMP: an info header of {size} bytes, expected 12, 40, 52, 56, 64, 108 or 124"
            );
        if (file.Length < FileHeader + size)
            throw new ImageRejectedException(
                $"truncated BMP: the header needs {FileHeader + size} bytes, the file has {file.Length}"
            );
        ReadOnlySpan<byte> info = file.Slice(FileHeader, size);
        return size == CoreHeader ? ReadCore(file, info) : ReadInfo(file, info);
    }

    private static BmpHeader ReadCore(ReadOnlySpan<byte> file, ReadOnlySpan<byte> info)
    {
        int bits = UInt16(info, 10);
        BmpHeader header = new(
            UInt16(info, 4),
            UInt16(info, 6),
            TopDown: false,
            bits,
            FileHeader + CoreHeader,
            bits <= 8 ? 1 << bits : 0,
            PaletteStride: 3,
            Int32(file, 10),
            0x7C00,
            0x03E0,
            0x001F,
            0
        );
        return header.Checked(file.Length);
    }

    private static BmpHeader ReadInfo(ReadOnlySpan<byte> file, ReadOnlySpan<byte> info)
    {
        int height = Int32(info, 8),
            bits = UInt16(info, 14),
            compression = Int32(info, 16),
            colours = Int32(info, 32);
        string? refused = compression switch
        {
            0 => null,
            3 or 6 when bits is 16 or 32 && info.Length != 64 => null,
            1 or 2 => "run-length encoded (RLE) pixels are not decoded; save it without compression",
            4 or 5 => "an embedded JPEG or PNG is not decoded; save it without compression",
            _ => $"compression {compression} at {bits} bits per pixel is not known",
        };
        if (refused is not null)
            throw new ImageRejectedException("BMP: " + refused);

        int afterHeader = FileHeader + info.Length;
        uint red = bits == 16 ? 0x7C00u : 0xFF0000,
            green = bits == 16 ? 0x03E0u : 0xFF00,
            blue = bits == 16 ? 0x001Fu : 0xFF,
            alpha = 0;
        if (compression != 0)
        {
            int count = compression == 6 || info.Length >= 56 ? 4 : 3;
            if (info.Length == InfoHeader)
                afterHeader += 4 * count;
            ReadOnlySpan<byte> masks = file[(FileHeader + InfoHeader)..];
            if (masks.Length < 4 * count)
                throw new ImageRejectedException("truncated BMP: the file ends in the colour masks");
            (red, green, blue) = ((uint)Int32(masks, 0), (uint)Int32(masks, 4), (uint)Int32(masks, 8));
            if (count == 4)
                alpha = (uint)Int32(masks, 12);
        }
        int entries =
            bits > 8 ? 0
            : colours is > 0 and <= 256 ? Math.Min(colours, 1 << bits)
            : 1 << bits;
        BmpHeader header = new(
            Int32(info, 4),
            height == int.MinValue ? 0 : Math.Abs(height),
            height < 0,
            bits,
            afterHeader,
            entries,
            PaletteStride: 4,
            Int32(file, 10),
            red,
            green,
            blue,
            alpha
        );
        return header.Checked(file.Length);
    }

    private BmpHeader Checked(int fileLength)
    {
        if (BitsPerPixel is not (1 or 4 or 8 or 16 or 24 or 32))
            throw new ImageRejectedException($"BMP: {BitsPerPixel} bits per pixel, expected 1, 4, 8, 16, 24 or 32");
        if (Width <= 0 || Height <= 0)
            throw new ImageRejectedException($"BMP: {Width} x {Height} pixels, expected at least 1 x 1");
        if (PixelOffset < FileHeader + CoreHeader || PixelOffset > fileLength)
            throw new ImageRejectedException(
                $"truncated BMP: pixels start at byte {PixelOffset}, the file has {fileLength} bytes"
            );
        if (PaletteOffset + ((long)PaletteEntries * PaletteStride) > fileLength)
            throw new ImageRejectedException(
                $"truncated BMP: the palette needs {PaletteEntries} entries, the file ends before"
            );
        return this;
    }

    private static int Int32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadInt32LittleEndian(bytes[offset..]);

    private static int UInt16(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);
}

/// <summary>
/// Writes pixels as an uncompressed 24-bit Windows bitmap: the form in which decoded pixels enter the one path that all
/// images take.
/// </summary>
internal static class BmpEncoder
{
    private const int HeaderSize = 54;

    /// <summary>Bytes of the file.</summary>
    public static long Length(RgbImage image) => HeaderSize + ((long)RowBytes(image.Width) * image.Height);

    /// <param name="image">The pixels.</param>
    /// <param name="file">Receives the file [Length].</param>
    public static void Write(RgbImage image, Span<byte> file)
    {
        int rowBytes = RowBytes(image.Width);
        Span<byte> header = file[..HeaderSize];
        header.Clear();
        "BM"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[2..], file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[10..], HeaderSize);
        BinaryPrimitives.WriteInt32LittleEndian(header[14..], 40);
        BinaryPrimitives.WriteInt32LittleEndian(header[18..], image.Width);
        BinaryPrimitives.WriteInt32LittleEndian(header[22..], -image.Height);
        BinaryPrimitives.WriteInt16LittleEndian(header[26..], 1);
        BinaryPrimitives.WriteInt16LittleEndian(header[28..], 24);
        BinaryPrimitives.WriteInt32LittleEndian(header[34..], file.Length - HeaderSize);
        ReadOnlySpan<byte> pixels = image.Pixels.Span;
        for (int y = 0; y < image.Height; y++)
        {
            Span<byte> row = file.Slice(HeaderSize + (y * rowBytes), rowBytes);
            ReadOnlySpan<byte> source = pixels.Slice(y * image.Width * 3, image.Width * 3);
            for (int x = 0; x < source.Length; x += 3)
                (row[x], row[x + 1], row[x + 2]) = (source[x + 2], source[x + 1], source[x]);
            row[source.Length..].Clear();
        }
    }

    private static int RowBytes(int width) => checked(((width * 3) + 3) & ~3);
}
