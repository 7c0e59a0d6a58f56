using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>Decodes images at their full size, for what resizes them itself. Not thread-safe: one per worker.</summary>
/// <remarks>
/// Formats, orientation, colours and transparency are those of <see cref="ImagePreprocessor"/>, which may reduce a
/// large JPEG as it decodes; this never does.
/// </remarks>
public sealed class RgbDecoder : IDisposable
{
    /// <summary>An array of .NET holds no more bytes than 3 times this.</summary>
    private const int MostPixels = 1 << 29;

    private readonly ImageDecoder decoder;
    private readonly UprightFrame frame = new(new Preprocessing { Size = 4096 }, reduces: false);
    private bool disposed;

    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    public RgbDecoder(ImageLimits? limits = null)
    {
        limits ??= new ImageLimits();
        decoder = new ImageDecoder(limits with { MaxPixels = Math.Min(limits.MaxPixels, MostPixels) });
    }

    /// <summary>Decodes one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public RgbImage Decode(ReadOnlySpan<byte> encoded, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        decoder.Decode(encoded, int.MaxValue, frame, cancellation);
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
