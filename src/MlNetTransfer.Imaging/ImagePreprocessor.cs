using MlNetTransfer.Imaging.Augmentation;
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
    /// <param name="destination">Receives [3 × height × width] floats, channels in RGB order: <c>(pixel / 255 - mean) /
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
    /// <param name="destination">Receives [height × width × 3] bytes, RGB. Undefined after an exception.</param>
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
                $"{length} elements, expected 3 x {preprocessing.Shape.Height} x {preprocessing.Shape.Width} = "
                    + $"{preprocessing.TensorLength}.",
                name
            );
    }

    private OutputOrder Resize(ReadOnlySpan<byte> encoded, CancellationToken cancellation) =>
        OutputOrder.Of(decoder.Decode(encoded, preprocessing.LargestSide, framed, cancellation));
}

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

/// <summary>Decoded pixels: 8-bit sRGB, [Height × Width × 3], rows from top to bottom, without padding.</summary>
public sealed class RgbImage
{
    /// <summary>Wraps pixels; they are kept, not copied, so they must not change while the image is in use.</summary>
    /// <param name="width">Columns, in [1, 2³⁰].</param>
    /// <param name="height">Rows, in [1, 2³⁰].</param>
    /// <param name="pixels">Height · Width · 3 bytes: red, green, blue.</param>
    /// <exception cref="ArgumentException">The number of bytes is another.</exception>
    public RgbImage(int width, int height, ReadOnlyMemory<byte> pixels)
    {
        (Width, Height, Pixels) = (Check.InRange(width, 1, 1 << 30), Check.InRange(height, 1, 1 << 30), pixels);
        if (3L * width * height != pixels.Length)
            throw new ArgumentException(
                $"{width} x {height} pixels need {3L * width * height} bytes of RGB, not {pixels.Length}.",
                nameof(pixels)
            );
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>[Height × Width × 3] bytes.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }
}
