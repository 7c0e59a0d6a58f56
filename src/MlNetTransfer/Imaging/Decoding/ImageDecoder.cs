using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>Decodes one image after another into a sink. Not thread-safe; memory is kept and reused.</summary>
internal sealed unsafe class ImageDecoder(ImageLimits limits) : IDisposable
{
    private readonly VipsSource vips = new();
    private readonly BmpSource bmp = new();

    /// <summary>Decodes one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="target">Side in pixels of the square wanted in the end; large JPEG images are shrunk as they are
    /// decoded, to no less than twice that.</param>
    /// <param name="sink">Receives the pixels; what it holds after an exception is undefined.</param>
    /// <param name="cancellation">Looked at between strips of 16 rows.</param>
    /// <returns>The EXIF orientation, 1 to 8, which the sink's pixels are still to be given.</returns>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public int Decode(ReadOnlySpan<byte> encoded, int target, IStripSink sink, CancellationToken cancellation)
    {
        ImageGuard.CheckBytes(encoded.Length, limits);
        ImageFormat format = FormatSniffer.Sniff(encoded);
        FileStructure.CheckComplete(encoded, format);
        PixelSource source = format == ImageFormat.Bmp ? bmp : vips;
        // A decoder warns of pixels that are missing and of trifles in the same breath, so a JPEG is decoded strictly
        // first. One that has nothing to warn of, as nearly all, costs nothing; the others are decoded again to read
        // the words, and taken if they say that no pixel is missing.
        source.ToleratesWarnings = format != ImageFormat.Jpeg;
        fixed (byte* data = encoded)
        {
            while (true)
            {
                if (
                    DecodeBesideOthers(source, data, encoded.Length, format, target, sink, cancellation)
                    == DecodeOutcome.Done
                )
                    return source.Orientation;
                (DecodeOutcome outcome, string words) = DecodeForWords(
                    source,
                    data,
                    encoded.Length,
                    format,
                    target,
                    sink,
                    cancellation
                );
                if (outcome == DecodeOutcome.Done)
                    return source.Orientation;
                if (source.ToleratesWarnings || DecodeFailure.IsTruncated(words))
                    throw DecodeFailure.Describe(format, outcome, words);
                source.ToleratesWarnings = true;
            }
        }
    }

    public void Dispose()
    {
        vips.Dispose();
        bmp.Dispose();
    }

    private DecodeOutcome DecodeBesideOthers(
        PixelSource source,
        byte* data,
        int length,
        ImageFormat format,
        int target,
        IStripSink sink,
        CancellationToken cancellation
    )
    {
        VipsLibrary.ErrorWords.EnterReadLock();
        try
        {
            return Decode(source, data, length, format, target, sink, cancellation);
        }
        finally
        {
            source.Close();
            VipsLibrary.ErrorWords.ExitReadLock();
        }
    }

    /// <summary>
    /// libvips has one error buffer for all threads, so what it holds after a failure may be about another image. A
    /// failed image is decoded once more while no other is; it is then described in its own words.
    /// </summary>
    private (DecodeOutcome Outcome, string Words) DecodeForWords(
        PixelSource source,
        byte* data,
        int length,
        ImageFormat format,
        int target,
        IStripSink sink,
        CancellationToken cancellation
    )
    {
        VipsLibrary.ErrorWords.EnterWriteLock();
        try
        {
            VipsNative.vips_error_clear();
            return (Decode(source, data, length, format, target, sink, cancellation), VipsLibrary.ReadErrorBuffer());
        }
        finally
        {
            source.Close();
            VipsNative.vips_error_clear();
            VipsLibrary.ErrorWords.ExitWriteLock();
        }
    }

    private DecodeOutcome Decode(
        PixelSource source,
        byte* data,
        int length,
        ImageFormat format,
        int target,
        IStripSink sink,
        CancellationToken cancellation
    )
    {
        if (!source.OpenHeader(data, length, format))
            return DecodeOutcome.FailedInHeader;
        ImageGuard.CheckSize(source, format, limits);
        if (!source.OpenPixels(target))
            return DecodeOutcome.FailedInPixels;

        (int left, int top, int width, int height) = sink.Begin(source);
        int bottom = top + height,
            rows;
        for (int y = top; y < bottom; y += rows)
        {
            cancellation.ThrowIfCancellationRequested();
            rows = Math.Min(StripResizer.StripRows, bottom - y);
            byte* strip = source.ReadStrip(left, y, width, rows);
            if (strip == null)
                return DecodeOutcome.FailedInPixels;
            sink.Push(strip, StripColours.Reduce(strip, width * rows, source.Bands), rows);
        }
        return ReadRest(source, left, bottom, width, cancellation) ? DecodeOutcome.Done : DecodeOutcome.FailedInPixels;
    }

    /// <summary>
    /// Rows below the crop are decoded too: whether a damaged file is accepted must not depend on the framing.
    /// </summary>
    private static bool ReadRest(PixelSource source, int left, int top, int width, CancellationToken cancellation)
    {
        for (int y = top; y < source.Height; y += StripResizer.StripRows)
        {
            cancellation.ThrowIfCancellationRequested();
            if (source.ReadStrip(left, y, width, Math.Min(StripResizer.StripRows, source.Height - y)) == null)
                return false;
        }
        return true;
    }
}
