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
        // guide end
        configure?.Invoke(builder);

        // guide: endpoints
        WebApplication app = builder.Build();
        app.MapTransferPredict("/predict");
        app.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = HealthJson.WriteAsync });
        // guide end
        return app;
    }
}
