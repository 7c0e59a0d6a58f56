using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using MlNetTransfer.Hosting;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.AspNetCore;

/// <summary>Reads the images of a request, has them predicted, and says what went wrong as problem details.</summary>
internal sealed partial class PredictEndpoint(
    TransferEndpointOptions options,
    ITransferModels models,
    ILogger<PredictEndpoint> logger
)
{
    private static readonly int PlacesOfARequest = Math.Max(2, Environment.ProcessorCount);

    private readonly BodyBudget budget = new(options.MaxBufferedBytes);

    /// <summary>Bytes of bodies in memory.</summary>
    internal long BufferedBytes => budget.Used;

    /// <summary>Answers a request for one model.</summary>
    public async Task HandleAsync(HttpContext context, string name)
    {
        try
        {
            if (!models.Names.Contains(name))
                throw NoModel(name);
            PredictResponse response = await PredictAsync(context, models[name]).ConfigureAwait(false);
            await context.Response.WriteAsJsonAsync(response, context.RequestAborted).ConfigureAwait(false);
        }
        catch (Exception e)
            when (e is OperationCanceledException && context.RequestAborted.IsCancellationRequested
                || e is IOException and not BadHttpRequestException
            )
        {
            // Nobody is there to be answered.
            if (!context.Response.HasStarted)
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await FailAsync(context, e).ConfigureAwait(false);
        }
    }

    /// <summary>What is known of one model.</summary>
    public IResult Show(string name) =>
        models.Names.Contains(name)
            ? TypedResults.Ok(ServedModel.Of(models[name].Status))
            : TypedResults.Problem(NoModel(name).Message, statusCode: StatusCodes.Status404NotFound);

    /// <summary>What is known of all models.</summary>
    public ServedModels List() => new([.. models.Names.Select(n => ServedModel.Of(models[n].Status))]);

    private RequestException NoModel(string name) =>
        new(
            StatusCodes.Status404NotFound,
            $"There is no model '{(name.Length <= 100 ? name : name[..100])}'; there are: "
                + $"{string.Join(", ", models.Names)}."
        );

    private async Task<PredictResponse> PredictAsync(HttpContext context, ITransferPredictor model)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            // The limit is held here. The server's own would cut the connection off, so that whoever sends too much
            // would not hear why.
            size.MaxRequestBodySize = null;
        using RequestImages images = await ReadAsync(context).ConfigureAwait(false);
        if (images.Images is [var one] && images.IsBody)
            return new PredictResponse([
                ImagePrediction.Of(
                    one.Name,
                    await model
                        .PredictAsync(one.Bytes.Read, images.Wishes, context.RequestAborted)
                        .ConfigureAwait(false)
                ),
            ]);
        // A request takes a few places of the queue at a time, however many images it has; and once it cannot be
        // answered, the rest of it is not computed in vain.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using SemaphoreSlim places = new(PlacesOfARequest);
        Task<ImagePrediction>[] all =
        [
            .. images.Images.Select(i => PlacedAsync(model, i.Name, i.Bytes, images.Wishes, places, stop)),
        ];
        try
        {
            return new PredictResponse(await Task.WhenAll(all).ConfigureAwait(false));
        }
        finally
        {
            // Images that are in work are read until their tasks end, one of them failed or not.
            await ((Task)Task.WhenAll(all)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task<ImagePrediction> PlacedAsync(
        ITransferPredictor model,
        string? name,
        GrowingBytes bytes,
        PredictionWishes wishes,
        SemaphoreSlim places,
        CancellationTokenSource stop
    )
    {
        await places.WaitAsync(stop.Token).ConfigureAwait(false);
        try
        {
            return await OneAsync(model, name, bytes, wishes, stop.Token).ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            places.Release();
        }
    }

    private async Task<RequestImages> ReadAsync(HttpContext context)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(options.ReadTimeout);
        try
        {
            return await RequestImages
                .ReadAsync(context.Request, options, budget, deadline.Token)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            context.Response.Headers.Connection = "close";
            throw new RequestException(
                StatusCodes.Status408RequestTimeout,
                FormattableString.Invariant(
                    $"The body of the request did not arrive within {options.ReadTimeout.TotalSeconds:0} s."
                )
            );
        }
    }

    /// <summary>One image of several: what is wrong with it is its own answer; a busy model is the request's.</summary>
    private static async Task<ImagePrediction> OneAsync(
        ITransferPredictor model,
        string? name,
        GrowingBytes bytes,
        PredictionWishes wishes,
        CancellationToken cancellation
    )
    {
        try
        {
            return ImagePrediction.Of(
                name,
                await model.PredictAsync(bytes.Read, wishes, cancellation).ConfigureAwait(false)
            );
        }
        catch (ImageRejectedException e)
        {
            return new ImagePrediction
            {
                Name = name,
                Error = new ImageError((int)TransferHttpStatus.Of(e)!.Value, e.Message),
            };
        }
    }

    private async Task FailAsync(HttpContext context, Exception exception)
    {
        (int status, string? detail) = exception switch
        {
            RequestException e => (e.Status, e.Message),
            BadHttpRequestException e => (e.StatusCode, e.Message),
            _ when TransferHttpStatus.Of(exception) is { } known => ((int)known, exception.Message),
            _ => (StatusCodes.Status500InternalServerError, null),
        };
        if (status >= 500 && status != (int)HttpStatusCode.ServiceUnavailable)
            Failed(logger, context.Request.Path, exception);
        context.Response.StatusCode = status;
        if (status == (int)HttpStatusCode.ServiceUnavailable)
            context.Response.Headers.RetryAfter = FormattableString.Invariant($"{options.RetryAfterSeconds}");
        ProblemDetails problem = new()
        {
            Status = status,
            Title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status),
            Detail = detail,
        };
        await context
            .Response.WriteAsJsonAsync(
                problem,
                options: null,
                contentType: "application/problem+json",
                context.RequestAborted
            )
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    [LoggerMessage(1, LogLevel.Error, "{Path} failed.")]
    private static partial void Failed(ILogger logger, string path, Exception exception);
}
