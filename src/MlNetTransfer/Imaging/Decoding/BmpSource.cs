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
