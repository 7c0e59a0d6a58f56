using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using MlNetTransfer.Samples.AspNetCore;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>The sample application on a test server, with a trained model in a folder of its own.</summary>
internal sealed class App : IAsyncDisposable
{
    private readonly TempFolder folder = new();
    private readonly WebApplication app;

    private App(string[] args)
    {
        File.Copy(Trained.Model, ModelPath);
        app = PredictApp.Build(
            ["--contentRoot", folder.Path, "--Logging:LogLevel:Default", "Warning", .. args],
            builder => builder.WebHost.UseTestServer()
        );
    }

    public string ModelPath => folder.File("model.onnx");

    public HttpClient Client => field ??= app.GetTestClient();

    public IServiceProvider Services => app.Services;

    public static async Task<App> StartAsync(params string[] args)
    {
        var app = new App(args);
        await app.app.StartAsync();
        return app;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        folder.Dispose();
    }
}
