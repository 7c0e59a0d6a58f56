using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using MlNetTransfer.Hosting;

namespace MlNetTransfer.Samples.AspNetCore;

/// <summary>
/// A web service that classifies images: what docs/guide/aspnetcore.md shows, as one program that tests run.
/// </summary>
public static class PredictApp
{
    /// <summary>Builds the application.</summary>
    /// <param name="args">Command line: <c>--ContentRoot</c> is the folder with model.onnx, <c>--Models:clipart:...</c>
    /// sets options.</param>
    /// <param name="configure">Changes the set-up, as tests do.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        // guide: services
        WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
        builder.Services.AddTransferModel("clipart", "model.onnx", options => options.RequireSameLabels = true);
        builder.Services.Configure<TransferModelOptions>("clipart", builder.Configuration.GetSection("Models:clipart"));
        builder.Services.AddHealthChecks().AddTransferModelCheck("clipart");
        builder.Services.AddProblemDetails().AddExceptionHandler<PredictionErrors>();
        // guide end
        configure?.Invoke(builder);

        // guide: endpoints
        WebApplication app = builder.Build();
        app.UseExceptionHandler();
        app.MapPost("/predict", PredictAsync);
        app.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = HealthJson.WriteAsync });
        // guide end
        return app;
    }

    // guide: predict
    /// <summary>Takes an image as the body, or as the first file of a form.</summary>
    private static async Task<IResult> PredictAsync(
        HttpRequest request,
        [FromKeyedServices("clipart")] ITransferPredictor model,
        CancellationToken cancellation
    )
    {
        if (request.ContentType?.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase) != true)
            return TypedResults.Ok(await model.PredictAsync(request.Body, cancellation));
        IFormCollection form = await request.ReadFormAsync(cancellation);
        if (form.Files.Count == 0)
            return TypedResults.Problem(
                "The form has no file. Send the image as a file, or as the body.",
                statusCode: StatusCodes.Status400BadRequest
            );
        await using Stream image = form.Files[0].OpenReadStream();
        return TypedResults.Ok(await model.PredictAsync(image, cancellation));
    }
    // guide end
}
