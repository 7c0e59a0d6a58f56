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
