using System.Net;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using MlNetTransfer.Studio.Pages;
using MudBlazor.Services;

namespace MlNetTransfer.Studio;

/// <summary>The studio: pages on 127.0.0.1, for whoever has the address with the token.</summary>
public sealed class StudioServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly StudioGate gate = new();

    /// <param name="options">What it may look at and where it writes.</param>
    /// <param name="logs">Told of what goes wrong; null for nobody.</param>
    /// <exception cref="TransferException">A folder does not exist.</exception>
    public StudioServer(StudioOptions options, ILoggerProvider? logs = null)
    {
        StudioOptions full = options with { Output = Path.GetFullPath(options.Output) };
        StudioRoots roots = new(full.Roots);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(
            new WebApplicationOptions
            {
                ApplicationName = "mlnet-transfer",
                ContentRootPath = AppContext.BaseDirectory,
                WebRootPath = "wwwroot",
            }
        );
        builder.WebHost.UseKestrelCore().UseStaticWebAssets();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 100_000_000;
            kestrel.Listen(IPAddress.Loopback, full.Port);
        });
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        if (logs is not null)
            builder.Logging.AddProvider(logs);
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(5));
        // Keys that live as long as the studio does: nothing is left in the user's folder.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.AddRazorComponents().AddInteractiveServerComponents();
        builder.Services.AddAntiforgery();
        builder.Services.AddMudServices();
        builder.Services.AddSingleton(full);
        builder.Services.AddSingleton(roots);
        builder.Services.AddSingleton<StudioData>();
        builder.Services.AddSingleton<Thumbnails>();
        builder.Services.AddSingleton<FinishedRuns>();
        builder.Services.AddSingleton<WorkQueue>();
        builder.Services.AddSingleton<StudioWork>();
        builder.Services.AddSingleton<TrialModel>();
        app = builder.Build();
        app.Use(gate.HandleAsync);
        app.UseAntiforgery();
        app.MapStaticAssets();
        app.MapGet("/thumbnail", ThumbnailAsync);
        app.MapGet("/report/{name}", Report);
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode(o => o.ContentSecurityFrameAncestorsPolicy = null);
    }

    /// <summary>The address to open, with the token that is good once; there once it has started.</summary>
    public string Address
    {
        get
        {
            string listens = app
                .Services.GetRequiredService<IServer>()
                .Features.Get<IServerAddressesFeature>()!
                .Addresses.First();
            return $"{listens}/?token={gate.Token}";
        }
    }

    /// <summary>Listens.</summary>
    /// <exception cref="TransferException">The port is taken.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            await app.StartAsync(cancellation);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new TransferException(
                $"The studio cannot listen: {e.Message} Another studio may be open; choose another port with --port.",
                e
            );
        }
    }

    /// <summary>Ends what is being done, and all pages.</summary>
    public Task StopAsync() => app.StopAsync();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static async Task<IResult> ThumbnailAsync(string path, Thumbnails thumbnails, HttpContext context)
    {
        if (await thumbnails.OfAsync(path, context.RequestAborted) is not { } jpeg)
            return Results.NotFound();
        context.Response.Headers.CacheControl = "private, no-cache";
        long written = File.GetLastWriteTimeUtc(path).Ticks;
        return Results.Bytes(
            jpeg,
            "image/jpeg",
            entityTag: new EntityTagHeaderValue(FormattableString.Invariant($"\"{written}\""))
        );
    }

    /// <summary>The page about a run, which is shut in: what it says of images and classes comes from files.</summary>
    private static IResult Report(string name, FinishedRuns runs, HttpContext context)
    {
        if (runs.Find(name) is not { } run || !File.Exists(run.Report))
            return Results.NotFound();
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            + "frame-ancestors 'self'; sandbox allow-scripts";
        return Results.File(run.Report, "text/html; charset=utf-8");
    }
}
