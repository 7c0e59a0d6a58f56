using System.Diagnostics;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>The studio as a process of its own.</summary>
internal sealed class StudioProcess : IAsyncDisposable
{
    // The command line's own folder: a page's scripts and styles lie beside the program.
    private static readonly string Program = Path.Combine(
        Repository.At("artifacts/bin/MlNetTransfer.Cli"),
        Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory + "x"))!,
        "mlnet-transfer.dll"
    );

    private readonly TempFolder folder = new();
    private readonly Process process;
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> said = [];

    private StudioProcess(string[] roots)
    {
        process = Process.Start(
            new ProcessStartInfo("dotnet", [Program, "studio", .. roots, "--output", Output, "--port", "0"])
            {
                RedirectStandardError = true,
                // As on a machine that has never seen it.
                Environment = { ["HOME"] = Home, [CacheFolder.Variable] = CacheFolder.Root },
            }
        )!;
    }

    /// <summary>Folder of the runs.</summary>
    public string Output => folder.File("runs");

    /// <summary>Its user's folder.</summary>
    public string Home => Directory.CreateDirectory(folder.File("home")).FullName;

    /// <summary>The address that it printed.</summary>
    public Uri Entry { get; private set; } = null!;

    /// <summary>The address without its token.</summary>
    public Uri Address => new(Entry.GetLeftPart(UriPartial.Authority));

    public static async Task<StudioProcess> StartAsync(params string[] roots)
    {
        StudioProcess studio = new(roots);
        string line = await studio.process.StandardError.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1)) ?? "";
        Assert.StartsWith("Open http://127.0.0.1:", line);
        studio.Entry = new Uri(line["Open ".Length..]);
        _ = Task.Run(async () =>
        {
            while (await studio.process.StandardError.ReadLineAsync() is { } said)
                studio.said.Enqueue(said);
        });
        return studio;
    }

    /// <summary>What it has written since.</summary>
    public string Said => string.Join('\n', said);

    /// <summary>A browser's worth of HTTP: cookies are kept, redirections are not followed.</summary>
    public HttpClient Client() =>
        new(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = true }) { BaseAddress = Address };

    public async ValueTask DisposeAsync()
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
        folder.Dispose();
    }
}
