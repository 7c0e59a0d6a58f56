using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging;

/// <summary>Decodes and preprocesses one image after another into memory of the caller.</summary>
/// <remarks>
/// JPEG, PNG, WebP, GIF (first frame), TIFF (first page), AVIF and BMP, told apart by their bytes. EXIF orientation is applied; CMYK, 16-bit,
/// grey, palette and profiled images become 8-bit sRGB; transparency is composited onto white. The resize is antialiased and bit-identical to
/// Pillow's <c>crop(...).resize(...)</c> (orientations 5 to 8: within one level, since the two passes then run in the other order). A JPEG
/// whose shorter side is at least 4, 8 or 16 times the size is decoded at 1/2, 1/4 or 1/8 before the resize.
/// <para>Not thread-safe: one per worker. Memory is kept and reused; nothing on the managed heap is allocated per image.</para>
/// </remarks>
public sealed unsafe class ImagePreprocessor : IDisposable
{
    private readonly Preprocessing _preprocessing;
    private readonly ImageLimits _limits;
    private readonly VipsSource _vips = new();
    private readonly BmpSource _bmp = new();
    private readonly StripResizer _resizer;
    private readonly TensorWriter _writer;
    private bool _disposed;

    /// <param name="preprocessing">Size, framing, filter and normalisation, from the backbone's card.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    public ImagePreprocessor(Preprocessing preprocessing, ImageLimits? limits = null)
        : this(preprocessing, limits, SimdLevels.Best)
    {
    }

    internal ImagePreprocessor(Preprocessing preprocessing, ImageLimits? limits, SimdLevel level)
    {
        ArgumentNullException.ThrowIfNull(preprocessing);
        _preprocessing = preprocessing;
        _limits = limits ?? new ImageLimits();
        _resizer = new StripResizer(preprocessing.Size, preprocessing.Interpolation, level);
        _writer = new TensorWriter(preprocessing);
    }

    /// <summary>Decodes, frames, resizes and normalises one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="destination">Receives [3 × Size × Size] floats, channels in RGB order: <c>(pixel / 255 - mean) / std</c>. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void Process(ReadOnlySpan<byte> encoded, Span<float> destination, CancellationToken cancellation = default)
    {
        CheckLength(destination.Length, nameof(destination));
        _writer.WriteTensor(_resizer, Resize(encoded, cancellation), destination);
    }

    /// <summary>Decodes, frames and resizes one image: what <see cref="Process"/> normalises.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="destination">Receives [Size × Size × 3] bytes, RGB. Undefined after an exception.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public void ProcessToPixels(ReadOnlySpan<byte> encoded, Span<byte> destination, CancellationToken cancellation = default)
    {
        CheckLength(destination.Length, nameof(destination));
        _writer.WritePixels(_resizer, Resize(encoded, cancellation), destination);
    }

    /// <summary>Releases the memory kept between images.</summary>
    public void Dispose()
    {
        _disposed = true;
        _vips.Dispose();
        _bmp.Dispose();
        _resizer.Dispose();
    }

    private void CheckLength(int length, string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (length != _preprocessing.TensorLength)
            throw new ArgumentException($"{length} elements, expected 3 x {_preprocessing.Size} x {_preprocessing.Size} = {_preprocessing.TensorLength}.", name);
    }

    private OutputOrder Resize(ReadOnlySpan<byte> encoded, CancellationToken cancellation)
    {
        ImageGuard.CheckBytes(encoded.Length, _limits);
        ImageFormat format = FormatSniffer.Sniff(encoded);
        FileStructure.CheckComplete(encoded, format);
        PixelSource source = format == ImageFormat.Bmp ? _bmp : _vips;
        fixed (byte* data = encoded)
        {
            DecodeOutcome outcome;
            VipsLibrary.ErrorWords.EnterReadLock();
            try
            {
                outcome = Decode(source, data, encoded.Length, format, cancellation);
            }
            finally
            {
                source.Close();
                VipsLibrary.ErrorWords.ExitReadLock();
            }
            if (outcome != DecodeOutcome.Done) DecodeForWords(source, data, encoded.Length, format, cancellation);
        }
        return OutputOrder.Of(source.Orientation);
    }

    /// <summary>
    /// libvips has one error buffer for all threads, so what it holds after a failure may be about another image. A failed image is decoded
    /// once more while no other is; it is then described in its own words.
    /// </summary>
    private void DecodeForWords(PixelSource source, byte* data, int length, ImageFormat format, CancellationToken cancellation)
    {
        VipsLibrary.ErrorWords.EnterWriteLock();
        try
        {
            VipsNative.vips_error_clear();
            DecodeOutcome outcome = Decode(source, data, length, format, cancellation);
            if (outcome != DecodeOutcome.Done) throw DecodeFailure.Describe(format, outcome, VipsLibrary.ReadErrorBuffer());
        }
        finally
        {
            source.Close();
            VipsNative.vips_error_clear();
            VipsLibrary.ErrorWords.ExitWriteLock();
        }
    }

    private DecodeOutcome Decode(PixelSource source, byte* data, int length, ImageFormat format, CancellationToken cancellation)
    {
        if (!source.OpenHeader(data, length, format)) return DecodeOutcome.FailedInHeader;
        ImageGuard.CheckSize(source, format, _limits);
        if (!source.OpenPixels(_preprocessing.Size)) return DecodeOutcome.FailedInPixels;

        int left = 0, top = 0, width = source.Width, height = source.Height;
        if (_preprocessing.Framing == Framing.CenterCrop)
        {
            (left, top, width) = OutputOrder.Of(source.Orientation).CentredSquare(width, height);
            height = width;
        }
        _resizer.Begin(width, height, source.Bands <= 2 ? 1 : 3);

        int bottom = top + height, rows;
        for (int y = top; y < bottom; y += rows)
        {
            cancellation.ThrowIfCancellationRequested();
            rows = Math.Min(StripResizer.StripRows, bottom - y);
            byte* strip = source.ReadStrip(left, y, width, rows);
            if (strip == null) return DecodeOutcome.FailedInPixels;
            _resizer.Push(strip, StripColours.Reduce(strip, width * rows, source.Bands) * (nint)width, rows);
        }
        return ReadRest(source, left, bottom, width, cancellation) ? DecodeOutcome.Done : DecodeOutcome.FailedInPixels;
    }

    /// <summary>Rows below the crop are decoded too: whether a damaged file is accepted must not depend on the framing.</summary>
    private static bool ReadRest(PixelSource source, int left, int top, int width, CancellationToken cancellation)
    {
        for (int y = top; y < source.Height; y += StripResizer.StripRows)
        {
            cancellation.ThrowIfCancellationRequested();
            if (source.ReadStrip(left, y, width, Math.Min(StripResizer.StripRows, source.Height - y)) == null) return false;
        }
        return true;
    }
}
