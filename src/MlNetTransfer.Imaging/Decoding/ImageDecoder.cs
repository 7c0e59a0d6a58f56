using System.Globalization;
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

/// <summary>How far a decoder came.</summary>
internal enum DecodeOutcome
{
    Done,
    FailedInHeader,
    FailedInPixels,
}

/// <summary>Turns a decoder's words into one line for the ledger.</summary>
internal static class DecodeFailure
{
    private const int LongestWords = 160;

    private static readonly string[] TruncationWords =
    [
        "premature end",
        "truncated",
        "end of file",
        "end of input",
        "eof",
        "not enough data",
        "unexpected end",
        "too short",
        "insufficient data",
        "short file",
    ];

    /// <summary>Messages of libvips' input layer about how far it looked: consequences, never causes.</summary>
    private static readonly string[] Noise = ["bad seek to", "unable to open source"];

    /// <summary>Whether the decoder says that pixels are missing.</summary>
    public static bool IsTruncated(string words) =>
        TruncationWords.Any(word => words.Contains(word, StringComparison.OrdinalIgnoreCase));

    /// <param name="format">What the first bytes say it is.</param>
    /// <param name="outcome">Where it failed.</param>
    /// <param name="words">The decoder's error buffer, a message a line.</param>
    public static ImageRejectedException Describe(ImageFormat format, DecodeOutcome outcome, string words)
    {
        string[] lines =
        [
            .. words
                .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Where(line => !Noise.Any(noise => line.Contains(noise, StringComparison.OrdinalIgnoreCase))),
        ];
        bool truncated = Array.Exists(lines, IsTruncated);
        string kind =
            truncated ? "truncated"
            : outcome == DecodeOutcome.FailedInHeader ? "unreadable header of"
            : "damaged";
        string detail = string.Join("; ", lines.Select(WithoutSource).Distinct(StringComparer.Ordinal));
        if (detail.Length > LongestWords)
            detail = detail[..LongestWords] + "…";
        return new ImageRejectedException(
            $"{kind} {FormatNames.Of(format)}: {(detail.Length > 0 ? detail : "the decoder gives no reason")}"
        );
    }

    /// <summary>"VipsJpeg: premature end" → "premature end".</summary>
    private static string WithoutSource(string line)
    {
        int colon = line.IndexOf(": ", StringComparison.Ordinal);
        return colon > 0 && !line.AsSpan(0, colon).Contains(' ') ? line[(colon + 2)..] : line;
    }
}

/// <summary>Refuses images that would cost too much, from the file's length and header alone.</summary>
internal static class ImageGuard
{
    /// <summary>JPEG and TIFF end here; longer sides are found only in attacks and panoramas.</summary>
    private const int MaxSide = 65_535;

    /// <exception cref="ImageRejectedException">The file is empty or too long.</exception>
    public static void CheckBytes(long bytes, ImageLimits limits)
    {
        if (bytes == 0)
            throw new ImageRejectedException("empty file: 0 bytes");
        if (bytes > limits.MaxBytes)
            throw new ImageRejectedException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{Mebibytes(bytes)} MiB ({bytes} bytes), the limit is {Mebibytes(limits.MaxBytes)} MiB; raise "
                        + $"{nameof(ImageLimits.MaxBytes)} or shrink the image"
                )
            );
    }

    /// <exception cref="ImageRejectedException">The image has too many pixels.</exception>
    public static void CheckSize(PixelSource image, ImageFormat format, ImageLimits limits)
    {
        int width = image.Width,
            height = image.Height;
        long pixels = (long)width * height;
        if (pixels > limits.MaxPixels)
            throw new ImageRejectedException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{Mega(pixels)} megapixels ({width} x {height}), the limit is {Mega(limits.MaxPixels)} "
                        + $"megapixels; raise {nameof(ImageLimits.MaxPixels)} or shrink the image"
                )
            );
        if (image.HoldsWholeFrame && pixels > limits.MaxWholeFramePixels)
        {
            string kind = format switch
            {
                ImageFormat.Jpeg => "a progressive JPEG",
                ImageFormat.Png => "an interlaced PNG",
                _ => FormatNames.Of(format),
            };
            throw new ImageRejectedException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{Mega(pixels)} megapixels ({width} x {height}), the limit for {kind}, whose decoder holds the "
                        + $"whole frame, is {Mega(limits.MaxWholeFramePixels)} megapixels; raise "
                        + $"{nameof(ImageLimits.MaxWholeFramePixels)} or shrink the image"
                )
            );
        }
        if (Math.Max(width, height) > MaxSide)
            throw new ImageRejectedException(
                Invariant($"{width} x {height} pixels, the longest side allowed is {MaxSide}; cut or shrink the image")
            );
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Mebibytes(long bytes) =>
        (bytes / (double)(1 << 20)).ToString("0.##", CultureInfo.InvariantCulture);

    private static string Mega(long pixels) =>
        (pixels / 1e6).ToString(pixels < 10_000_000 ? "0.####" : "0.#", CultureInfo.InvariantCulture);
}
