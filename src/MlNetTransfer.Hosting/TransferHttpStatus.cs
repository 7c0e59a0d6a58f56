using System.Net;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

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
