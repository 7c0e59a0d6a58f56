using System.Text;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>Decodes images small, for people to look at. Not thread-safe: one per worker.</summary>
/// <remarks>
/// Formats, limits, orientation, colours and transparency are those of <see cref="ImagePreprocessor"/>. A large JPEG is
/// reduced as it is decoded, and an image of any size is held in strips, never whole.
/// </remarks>
public sealed class ThumbnailDecoder : IDisposable
{
    private readonly int side;
    private readonly ImageDecoder decoder;
    private readonly UprightFrame frame;
    private bool disposed;

    /// <param name="side">Most pixels of the longer side, in [8, 4096]; smaller images stay as they are.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    public ThumbnailDecoder(int side, ImageLimits? limits = null)
    {
        this.side = Check.InRange(side, 8, 4096, nameof(side));
        decoder = new ImageDecoder(limits ?? new ImageLimits());
        frame = new UprightFrame(side);
    }

    /// <summary>Decodes one image; the aspect ratio is kept.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        decoder.Decode(encoded, side, frame, cancellation);
        frame.Complete();
        return new RgbImage(frame.Width, frame.Height, frame.Pixels.ToArray());
    }

    /// <summary>Releases the memory kept between images.</summary>
    public void Dispose()
    {
        disposed = true;
        decoder.Dispose();
        frame.Dispose();
    }
}

/// <summary>Writes decoded pixels as image files.</summary>
public static unsafe class RgbEncoder
{
    private const int UnsignedBytes = 0;

    /// <summary>Encodes pixels.</summary>
    /// <param name="image">The pixels.</param>
    /// <param name="format">JPEG, PNG or WebP.</param>
    /// <param name="quality">Of JPEG and WebP, in [1, 100]. Default 75.</param>
    /// <exception cref="ArgumentException">The format is another.</exception>
    /// <exception cref="TransferException">The encoder refuses; its words are in the message.</exception>
    public static byte[] Encode(RgbImage image, ImageFormat format, int quality = 75)
    {
        ArgumentNullException.ThrowIfNull(image);
        Check.InRange(quality, 1, 100, nameof(quality));
        VipsLibrary.EnsureStarted();
        VipsLibrary.ErrorWords.EnterReadLock();
        try
        {
            fixed (byte* pixels = image.Pixels.Span)
                return Save(pixels, image, format, quality)
                    ?? throw new TransferException(
                        $"An image of {image.Width} x {image.Height} pixels cannot be written as {format}: "
                            + VipsLibrary.ReadErrorBuffer().ReplaceLineEndings(" ")
                    );
        }
        finally
        {
            VipsLibrary.ErrorWords.ExitReadLock();
        }
    }

    private static byte[]? Save(byte* pixels, RgbImage image, ImageFormat format, int quality)
    {
        nint plain = VipsNative.vips_image_new_from_memory(
            pixels,
            (nuint)image.Pixels.Length,
            image.Width,
            image.Height,
            3,
            UnsignedBytes
        );
        if (plain == 0)
            return null;
        nint coloured = VipsOperation.Transform("copy\0"u8, plain, "interpretation=srgb\0"u8);
        VipsNative.g_object_unref(plain);
        if (coloured == 0)
            return null;
        try
        {
            return format switch
            {
                ImageFormat.Jpeg => VipsOperation.Save("jpegsave_buffer\0"u8, coloured, Options("Q", quality)),
                ImageFormat.WebP => VipsOperation.Save("webpsave_buffer\0"u8, coloured, Options("effort=3,Q", quality)),
                ImageFormat.Png => VipsOperation.Save("pngsave_buffer\0"u8, coloured, "compression=6\0"u8),
                _ => throw new ArgumentException($"{format} is not written; JPEG, PNG and WebP are.", nameof(format)),
            };
        }
        finally
        {
            VipsNative.g_object_unref(coloured);
        }
    }

    private static byte[] Options(string name, int quality) =>
        Encoding.UTF8.GetBytes(FormattableString.Invariant($"{name}={quality}\0"));
}
