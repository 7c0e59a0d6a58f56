using System.Runtime.Intrinsics;

namespace MlNetTransfer.Imaging.Decoding;

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
