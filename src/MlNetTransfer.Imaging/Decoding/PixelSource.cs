using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// An open image whose decoded 8-bit sRGB or grey pixels are read in strips from top to bottom. Reused for one image
/// after another.
/// </summary>
internal abstract unsafe class PixelSource : IDisposable
{
    /// <summary>Columns as stored, before <see cref="Orientation"/>.</summary>
    public int Width { get; protected set; }

    /// <summary>Rows as stored.</summary>
    public int Height { get; protected set; }

    /// <summary>
    /// Samples per pixel: grey (1), grey and alpha (2), RGB (3), RGB and alpha (4); more are RGB and samples to ignore.
    /// </summary>
    public int Bands { get; protected set; }

    /// <summary>EXIF orientation, 1 to 8; 1 is upright.</summary>
    public int Orientation { get; protected set; } = 1;

    /// <summary>Whether the decoder holds all pixels at once.</summary>
    public bool HoldsWholeFrame { get; protected set; }

    /// <summary>Whether a decoder's warnings are passed over; its errors never are.</summary>
    public bool ToleratesWarnings { get; set; } = true;

    /// <summary>Reads the header, no pixel; false when the decoder refuses.</summary>
    /// <param name="data">The encoded file [length]; must stay where it is until <see cref="Close"/>.</param>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="format">What the first bytes say it is.</param>
    /// <exception cref="ImageRejectedException">The header names something that is not decoded.</exception>
    public abstract bool OpenHeader(byte* data, int length, ImageFormat format);

    /// <summary>
    /// Makes ready to read pixels; false when the decoder refuses. May shrink the image: sizes are those to be read
    /// from now on.
    /// </summary>
    /// <param name="target">Side in pixels of the square wanted in the end.</param>
    public abstract bool OpenPixels(int target);

    /// <summary>
    /// Decodes [rows × width × Bands] bytes; null when the decoder fails. Strips are asked for in order; rows may be
    /// skipped.
    /// </summary>
    public abstract byte* ReadStrip(int left, int top, int width, int rows);

    /// <summary>Lets go of the image; harmless when none is open.</summary>
    public abstract void Close();

    public abstract void Dispose();
}

/// <summary>Takes the pixels of one image, strip by strip from top to bottom.</summary>
internal unsafe interface IStripSink
{
    /// <summary>Starts an image whose size, bands and orientation are known.</summary>
    /// <returns>The stored rectangle to be decoded; inside the image, not empty.</returns>
    (int Left, int Top, int Width, int Height) Begin(PixelSource source);

    /// <summary>Takes the next rows of the rectangle.</summary>
    /// <param name="strip">[rows × Width × channels]; 16 rows and 16 bytes more are readable, whatever they
    /// hold.</param>
    /// <param name="channels">1 (grey) or 3 (RGB).</param>
    /// <param name="rows">1 to 16.</param>
    void Push(byte* strip, int channels, int rows);
}

/// <summary>
/// Reduces decoded pixels to grey or RGB, in place; alpha is composited onto white: <c>round((c · a + 255 · (255 - a))
/// / 255)</c>.
/// </summary>
internal static unsafe class StripColours
{
    /// <param name="strip">[pixels × bands], becomes [pixels × channels].</param>
    /// <param name="pixels">Pixels in the strip.</param>
    /// <param name="bands">1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB, alpha), or more: RGB and samples that are
    /// dropped.</param>
    /// <returns>Channels left, 1 or 3.</returns>
    public static int Reduce(byte* strip, int pixels, int bands)
    {
        int channels = bands <= 2 ? 1 : 3;
        if (bands is 2 or 4)
            ComposeOntoWhite(strip, pixels, channels);
        else if (bands > 4)
            KeepFirst(strip, pixels, bands);
        return channels;
    }

    private static void ComposeOntoWhite(byte* strip, int pixels, int channels)
    {
        byte* pixel = strip,
            output = strip,
            end = strip + ((long)pixels * (channels + 1));
        if (channels == 3)
        {
            // Four pixels at a time; the 16 bytes stored never reach past the 16 just read.
            for (; pixel + 16 <= end; pixel += 16, output += 12)
                ComposeFour(Vector128.Load(pixel)).Store(output);
        }
        for (; pixel < end; pixel += channels + 1, output += channels)
        {
            int alpha = pixel[channels];
            for (int channel = 0; channel < channels; channel++)
                output[channel] = Blend(pixel[channel], alpha);
        }
    }

    /// <summary>
    /// RGBA × 4 → RGB × 4 and four bytes of no meaning, with the arithmetic of <see cref="Blend"/> in 16 bits, which it
    /// just fits.
    /// </summary>
    private static Vector128<byte> ComposeFour(Vector128<byte> pixels)
    {
        Vector128<byte> alphas = Vector128.Shuffle(
            pixels,
            Vector128.Create((byte)3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15)
        );
        Vector128<byte> blended = Vector128.Narrow(
            ComposeHalf(Vector128.WidenLower(pixels), Vector128.WidenLower(alphas)),
            ComposeHalf(Vector128.WidenUpper(pixels), Vector128.WidenUpper(alphas))
        );
        return Vector128.Shuffle(blended, Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15));
    }

    private static Vector128<ushort> ComposeHalf(Vector128<ushort> colours, Vector128<ushort> alphas)
    {
        Vector128<ushort> opaque = Vector128.Create((ushort)255);
        Vector128<ushort> sum = (colours * alphas) + ((opaque - alphas) * opaque) + Vector128.Create((ushort)128);
        return (sum + (sum >> 8)) >> 8;
    }

    private static void KeepFirst(byte* strip, int pixels, int bands)
    {
        byte* output = strip,
            end = strip + ((long)pixels * bands);
        for (byte* pixel = strip; pixel < end; pixel += bands, output += 3)
            (output[0], output[1], output[2]) = (pixel[0], pixel[1], pixel[2]);
    }

    /// <summary>
    /// Rounded division by 255 without dividing: <c>(n + (n &gt;&gt; 8)) &gt;&gt; 8</c> with n = sum + 128.
    /// </summary>
    private static byte Blend(int colour, int alpha)
    {
        int sum = (colour * alpha) + (255 * (255 - alpha)) + 128;
        return (byte)((sum + (sum >> 8)) >> 8);
    }
}

/// <summary>
/// Tells sRGB's own colour profile from others, so that the common case needs no conversion and stays exact.
/// </summary>
internal static class IccProfile
{
    private const uint DescriptionTag = 0x64657363; // "desc"

    /// <summary>
    /// Whether the profile's description (ICC.1 section 9.2.41) names sRGB. A profile too damaged to say is taken as
    /// sRGB: it could not be applied.
    /// </summary>
    public static bool IsSrgb(ReadOnlySpan<byte> profile)
    {
        const int header = 128,
            entry = 12;
        if (profile.Length < header + 4)
            return true;
        uint tags = Math.Min(
            BinaryPrimitives.ReadUInt32BigEndian(profile[header..]),
            (uint)(profile.Length - header - 4) / entry
        );
        for (int i = 0; i < tags; i++)
        {
            ReadOnlySpan<byte> tag = profile.Slice(header + 4 + (i * entry), entry);
            if (BinaryPrimitives.ReadUInt32BigEndian(tag) != DescriptionTag)
                continue;
            uint offset = BinaryPrimitives.ReadUInt32BigEndian(tag[4..]),
                length = BinaryPrimitives.ReadUInt32BigEndian(tag[8..]);
            if ((ulong)offset + length > (ulong)profile.Length)
                return true;
            ReadOnlySpan<byte> text = profile.Slice((int)offset, (int)length);
            return text.IndexOf("sRGB"u8) >= 0 || text.IndexOf("\0s\0R\0G\0B"u8) >= 0;
        }
        return false;
    }
}
