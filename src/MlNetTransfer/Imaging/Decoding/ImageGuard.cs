using System.Globalization;

namespace MlNetTransfer.Imaging.Decoding;

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
