using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>
/// An image has more bytes than <see cref="ImageLimits.MaxBytes"/>; it was not decoded, and of a stream no more than
/// the limit was read.
/// </summary>
/// <param name="limit">The most bytes allowed.</param>
/// <param name="bytes">How many there are; null where that is not known.</param>
public sealed class ImageTooLargeException(int limit, long? bytes)
    : ImageRejectedException(
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{(bytes is { } b ? $"{b} bytes" : $"more than {limit} bytes")}, the limit is {limit} bytes; raise "
                + $"{nameof(ImageLimits.MaxBytes)} or shrink the image"
        )
    );
