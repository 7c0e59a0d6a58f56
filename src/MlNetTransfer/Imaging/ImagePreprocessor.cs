using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging;

/// <summary>Decodes and preprocesses one image after another into memory of the caller.</summary>
/// <remarks>
/// JPEG, PNG, WebP, GIF (first frame), TIFF (first page), AVIF and BMP, told apart by their bytes. EXIF orientation is
/// applied; CMYK, 16-bit, grey, palette and profiled images become 8-bit sRGB; transparency is composited onto white.
/// The resize is antialiased and bit-identical to Pillow's <c>crop(...).resize(...)</c> (orientations 5 to 8: within
/// one level, since the two passes then run in the other order). A JPEG whose shorter side is at least 4, 8 or 16 times
/// the size is decoded at 1/2, 1/4 or 1/8 before the resize.
/// <para>Not thread-safe: one per worker. Memory is kept and reused; nothing on the managed heap is allocated per
/// image.</para>
/// </remarks>
public sealed class ImagePreprocessor : IDisposable
{
    private readonly Preprocessing preprocessing;
    private readonly ImageDecoder decoder;
    private readonly StripResizer resizer;
    private readonly FramedStrips framed;
    private readonly TensorWriter writer;
    private bool disposed;

    /// <param name="preprocessing">Size, framing, filter and normalisation, from the backbone's card.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    public ImagePreprocessor(Preprocessing preprocessing, ImageLimits? limits = null)
        : this(preprocessing, limits, SimdLevels.Best) { }

    internal ImagePreprocessor(Preprocessing preprocessing, ImageLimits? limits, SimdLevel level)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        this.preprocessing = preprocessing;
        decoder = new ImageDecoder(limits ?? new ImageLimits());
        resizer = new StripResizer(preprocessing.Interpolation, level);
        framed = new FramedStrips(resizer, preprocessing);
        writer = new TensorWriter(preprocessing);
    }

    /// <summary>Decodes, frames, resizes and normalises one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="destination">Receives [3 × Size × Size] floats, channels in RGB order: <c>(pixel / 255 - mean) /
    /// std</c>. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void Process(ReadOnlySpan<byte> encoded, Span<float> destination, CancellationToken cancellation = default)
    {
        CheckLength(destination.Length, nameof(destination));
        writer.WriteTensor(resizer, Resize(encoded, cancellation), destination);
    }

    /// <summary>Decodes, frames and resizes one image: what <see cref="Process"/> normalises.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="destination">Receives [Size × Size × 3] bytes, RGB. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void ProcessToPixels(
        ReadOnlySpan<byte> encoded,
        Span<byte> destination,
        CancellationToken cancellation = default
    )
    {
        CheckLength(destination.Length, nameof(destination));
        writer.WritePixels(resizer, Resize(encoded, cancellation), destination);
    }

    /// <summary>Releases the memory kept between images.</summary>
    public void Dispose()
    {
        disposed = true;
        decoder.Dispose();
        resizer.Dispose();
    }

    private void CheckLength(int length, string name)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (length != preprocessing.TensorLength)
            throw new ArgumentException(
                $"{length} elements, expected 3 x {preprocessing.Size} x {preprocessing.Size} = "
                    + $"{preprocessing.TensorLength}.",
                name
            );
    }

    private OutputOrder Resize(ReadOnlySpan<byte> encoded, CancellationToken cancellation) =>
        OutputOrder.Of(decoder.Decode(encoded, preprocessing.Size, framed, cancellation));
}
