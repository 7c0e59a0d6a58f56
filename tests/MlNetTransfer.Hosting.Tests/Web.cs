using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MlNetTransfer.AspNetCore;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>The endpoints on a real web server, with the tiny model, or several of it.</summary>
internal sealed class Web : IAsyncDisposable
{
    private readonly TempFolder folder = new();
    private readonly WebApplication app;

    private Web(
        string[] models,
        Action<TransferEndpointOptions>? configure,
        Action<TransferModelOptions>? serve,
        Action<WebApplicationBuilder>? more
    )
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddProvider(Logs);
        foreach (string model in models)
        {
            TinyModel.Put(folder.File(model), TinyModel.Bytes());
            builder.Services.AddTransferModel(model, folder.File(model), serve);
        }

        builder.Services.AddTransferEndpoints(configure);
        more?.Invoke(builder);
        app = builder.Build();
        app.MapTransferModels();
        if (models.Length == 1)
            app.MapTransferPredict("/predict");
    }

    public CollectedLogs Logs { get; } = new();

    public Uri Address => new(app.Urls.First());

    public HttpClient Client => field ??= new HttpClient { BaseAddress = Address };

    public IServiceProvider Services => app.Services;

    /// <summary>Bytes of bodies that the server holds.</summary>
    public long Buffered => Services.GetRequiredService<PredictEndpoint>().BufferedBytes;

    public static async Task<Web> StartAsync(
        Action<TransferEndpointOptions>? configure = null,
        Action<TransferModelOptions>? serve = null,
        string[]? models = null,
        Action<WebApplicationBuilder>? more = null
    )
    {
        var web = new Web(models ?? ["tiny"], configure, serve, more);
        await web.app.StartAsync();
        return web;
    }

    /// <summary>A client that sends what it likes.</summary>
    public async Task<NetworkStream> SendAsync(string head, byte[]? body = null)
    {
        TcpClient client = new();
        await client.ConnectAsync(Address.Host, Address.Port);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes(head.ReplaceLineEndings("\r\n").Replace("HOST", $"Host: {Address.Authority}"))
        );
        await stream.WriteAsync(body ?? []);
        return stream;
    }

    /// <summary>The first line of what comes back; empty where the connection ends.</summary>
    public static async Task<string> StatusLineAsync(Stream stream)
    {
        using StreamReader reader = new(stream, Encoding.ASCII);
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) ?? "";
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        folder.Dispose();
    }
}

/// <summary>Keeps what is logged.</summary>
internal sealed class CollectedLogs : ILoggerProvider, ILogger
{
    private readonly List<string> lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (lines)
                return [.. lines];
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        lock (lines)
            lines.Add($"{logLevel}: {formatter(state, exception)}");
    }

    public void Dispose() { }
}
