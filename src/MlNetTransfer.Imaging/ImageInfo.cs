using System.Runtime.InteropServices;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>Reads what an image's header says, without decoding a pixel.</summary>
public static unsafe class ImageHeader
{
    /// <summary>Format and size of an encoded image; about 0.02 ms.</summary>
    /// <param name="encoded">The bytes of the file.</param>
    /// <exception cref="ImageRejectedException">Not an image that is decoded, or its header is damaged; the reason says
    /// what was found.</exception>
    public static ImageInfo Read(ReadOnlySpan<byte> encoded)
    {
        ImageFormat format = FormatSniffer.Sniff(encoded);
        using PixelSource source = format == ImageFormat.Bmp ? new BmpSource() : new VipsSource();
        fixed (byte* data = encoded)
        {
            if (!TryOpen(source, data, encoded.Length, format))
                OpenForWords(source, data, encoded.Length, format);
        }
        return new ImageInfo(format, source.Width, source.Height, source.Orientation, source.HoldsWholeFrame);
    }

    private static bool TryOpen(PixelSource source, byte* data, int length, ImageFormat format)
    {
        VipsLibrary.ErrorWords.EnterReadLock();
        try
        {
            return source.OpenHeader(data, length, format);
        }
        finally
        {
            source.Close();
            VipsLibrary.ErrorWords.ExitReadLock();
        }
    }

    private static void OpenForWords(PixelSource source, byte* data, int length, ImageFormat format)
    {
        VipsLibrary.ErrorWords.EnterWriteLock();
        try
        {
            VipsNative.vips_error_clear();
            if (!source.OpenHeader(data, length, format))
                throw DecodeFailure.Describe(format, DecodeOutcome.FailedInHeader, VipsLibrary.ReadErrorBuffer());
        }
        finally
        {
            source.Close();
            VipsNative.vips_error_clear();
            VipsLibrary.ErrorWords.ExitWriteLock();
        }
    }
}

/// <summary>What an image's header says.</summary>
/// <param name="Format">The format, from the first bytes.</param>
/// <param name="Width">Columns in pixels as stored, before <paramref name="Orientation"/>.</param>
/// <param name="Height">Rows in pixels as stored, before <paramref name="Orientation"/>.</param>
/// <param name="Orientation">EXIF orientation, 1 to 8; 1 is upright, 5 to 8 swap width and height when shown.</param>
/// <param name="HoldsWholeFrame">Whether the decoder must hold all pixels at once, so that
/// <see cref="ImageLimits.MaxWholeFramePixels"/> applies.</param>
public sealed record ImageInfo(ImageFormat Format, int Width, int Height, int Orientation, bool HoldsWholeFrame);

/// <summary>The image formats that are decoded, told apart by the file's first bytes and never by its name.</summary>
public enum ImageFormat
{
    /// <summary>JPEG, baseline or progressive; grey, RGB or CMYK.</summary>
    Jpeg,

    /// <summary>PNG, any bit depth.</summary>
    Png,

    /// <summary>GIF; the first frame.</summary>
    Gif,

    /// <summary>WebP; the first frame.</summary>
    WebP,

    /// <summary>TIFF; the first page.</summary>
    Tiff,

    /// <summary>AVIF: a HEIF container with AV1 pixels.</summary>
    Avif,

    /// <summary>Windows bitmap, uncompressed.</summary>
    Bmp,
}

/// <summary>
/// What an untrusted image may cost. Checked from the file's length and header, before any pixel is decoded.
/// </summary>
public sealed record ImageLimits
{
    /// <summary>Largest file in bytes; in [1, 2³⁰]. Default 64 MiB.</summary>
    public int MaxBytes
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 64 << 20;

    /// <summary>Largest width x height in pixels; in [1, 2³⁰]. Default 100 million.</summary>
    public int MaxPixels
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 100_000_000;

    /// <summary>
    /// Largest width x height of an image whose decoder must hold the whole frame (interlaced PNG, progressive JPEG,
    /// AVIF ...). Default 50 million.
    /// </summary>
    public int MaxWholeFramePixels
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 50_000_000;
}

/// <summary>One image could not be used. The image is rejected and recorded; the job goes on.</summary>
/// <param name="reason">Why, in one line without the file's name: the ledger adds it.</param>
/// <param name="inner">The cause, where there is one.</param>
public class ImageRejectedException(string reason, Exception? inner = null) : TransferException(reason, inner)
{
    /// <summary>Why the image was rejected, in one line.</summary>
    public string Reason => Message;
}

/// <summary>
/// Names the code between an image file and a tensor, so that a cache can tell results of one version from those of
/// another.
/// </summary>
public static partial class DecoderVersion
{
    /// <summary>Raised whenever a change of ours moves a pixel.</summary>
    private const int Resize = 1;

    /// <summary>
    /// Raised whenever an image that was taken is rejected: what was kept of it must not be used any more.
    /// </summary>
    private const int Rules = 2;

    /// <summary>
    /// Versions of the decoder, of our resize and of the rules for rejection, e.g. "libvips 8.18.7, resize 1, rules 2".
    /// </summary>
    public static string Text { get; } = Read();

    private static string Read()
    {
        VipsLibrary.EnsureStarted();
        return $"libvips {vips_version(0)}.{vips_version(1)}.{vips_version(2)}, resize {Resize}, rules {Rules}";
    }

    [LibraryImport(VipsNative.Vips)]
    private static partial int vips_version(int part);
}
