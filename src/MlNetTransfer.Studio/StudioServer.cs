using System.Net;
using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MlNetTransfer.Studio.Pages;
using MudBlazor.Services;

namespace MlNetTransfer.Studio;

/// <summary>The studio: pages on 127.0.0.1, for whoever has the address with the token.</summary>
public sealed class StudioServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly StudioGate gate = new();
    private readonly OutputLock alone;

    /// <param name="options">What it may look at and where it writes.</param>
    /// <param name="logs">Told of what goes wrong; null for nobody.</param>
    /// <exception cref="TransferException">A folder does not exist, or another studio writes there.</exception>
    public StudioServer(StudioOptions options, ILoggerProvider? logs = null)
    {
        StudioOptions full = options with { Output = Path.GetFullPath(options.Output) };
        Directory.CreateDirectory(StudioUploads.FolderIn(full));
        StudioRoots roots = new(full.Roots, StudioUploads.FolderIn(full));
        // Two studios would undo each other's labels.
        alone = OutputLock.OfFile(Path.Combine(full.Output, ".studio"));
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
        // A port that is taken is said once, in words.
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        if (logs is not null)
            builder.Logging.AddProvider(logs);
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(5));
        // Keys that live as long as the studio does: nothing is left in the user's folder. ASP.NET Core makes a ring of
        // keys at the start even where it is not used, and warns that it is kept as it is.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.Configure<KeyManagementOptions>(keys =>
        {
            keys.XmlRepository = new NothingKept();
            keys.XmlEncryptor = new NullXmlEncryptor();
        });
        builder
            .Services.AddRazorComponents()
            .AddInteractiveServerComponents(o => o.DetailedErrors = true)
            // The names of all files that are dropped come in one message.
            .AddHubOptions(o => o.MaximumReceiveMessageSize = 4 << 20);
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
        builder.Services.AddSingleton<StudioUploads>();
        app = builder.Build();
        app.Use(gate.HandleAsync);
        app.UseAntiforgery();
        app.MapStaticAssets();
        app.MapStudio();
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode(o => o.ContentSecurityFrameAncestorsPolicy = null);
        // It listens for data sets that are opened.
        app.Services.GetRequiredService<Thumbnails>();
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
    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        alone.Dispose();
    }

    private sealed class NothingKept : IXmlRepository
    {
        public IReadOnlyCollection<XElement> GetAllElements() => [];

        public void StoreElement(XElement element, string friendlyName) { }
    }
}
