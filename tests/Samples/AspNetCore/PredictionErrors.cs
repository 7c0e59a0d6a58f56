using System.Net;
using Microsoft.AspNetCore.Diagnostics;
using MlNetTransfer.Hosting;

namespace MlNetTransfer.Samples.AspNetCore;

// guide: errors
/// <summary>
/// An image that cannot be used is the client's matter (413, 422), a busy model passes (503): problem details, not a
/// crash.
/// </summary>
public sealed class PredictionErrors(IProblemDetailsService problems) : IExceptionHandler
{
    /// <inheritdoc/>
    public ValueTask<bool> TryHandleAsync(
        HttpContext httpContext,
        Exception exception,
        CancellationToken cancellationToken
    )
    {
        if (TransferHttpStatus.Of(exception) is not { } status)
            return ValueTask.FromResult(false);
        httpContext.Response.StatusCode = (int)status;
        if (status == HttpStatusCode.ServiceUnavailable)
            httpContext.Response.Headers.RetryAfter = "1";
        return problems.TryWriteAsync(
            new()
            {
                HttpContext = httpContext,
                Exception = exception,
                ProblemDetails = { Status = (int)status, Detail = exception.Message },
            }
        );
    }
}
// guide end
