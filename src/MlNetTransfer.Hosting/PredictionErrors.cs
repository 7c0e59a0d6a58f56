using System.Net;
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

/// <summary>
/// A request was refused because as many are waiting as may wait. Trying again later helps; so do more cores or
/// replicas.
/// </summary>
/// <param name="model">Name of the model.</param>
/// <param name="limit">How many may wait.</param>
public sealed class ModelBusyException(string model, int limit)
    : TransferException(
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"Model '{model}' is busy: {limit} requests are waiting, which is the limit. Try again later, or raise "
                + $"{nameof(TransferModelOptions)}.{nameof(TransferModelOptions.MaxWaiting)}."
        )
    );

/// <summary>A request came, or was still waiting, when the host was shutting down.</summary>
/// <param name="model">Name of the model.</param>
public sealed class ModelStoppedException(string model)
    : TransferException(
        $"Model '{model}' is stopped, because its host is shutting down. Send the request to another instance, or "
            + $"again after the restart."
    );

/// <summary>Which HTTP status an endpoint answers with when a prediction fails.</summary>
public static class TransferHttpStatus
{
    /// <summary>
    /// 413 for an image with too many bytes, 422 for one that cannot be used, 503 for a busy or stopped model; null for
    /// everything else.
    /// </summary>
    /// <param name="exception">What <see cref="ITransferPredictor"/> threw.</param>
    public static HttpStatusCode? Of(Exception exception) =>
        exception switch
        {
            ImageTooLargeException => HttpStatusCode.RequestEntityTooLarge,
            ImageRejectedException => HttpStatusCode.UnprocessableEntity,
            ModelBusyException or ModelStoppedException => HttpStatusCode.ServiceUnavailable,
            _ => null,
        };
}
