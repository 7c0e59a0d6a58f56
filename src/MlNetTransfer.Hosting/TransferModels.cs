using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace MlNetTransfer.Hosting;

/// <summary>The hosted models of a container; they end with it.</summary>
internal sealed class TransferModels : ITransferModels, IDisposable, IAsyncDisposable
{
    private readonly Dictionary<string, HostedModel> models = new(StringComparer.Ordinal);
    private readonly TransferInstruments instruments;

    public TransferModels(
        IServiceProvider services,
        IEnumerable<TransferModelRegistration> registrations,
        IOptionsMonitor<TransferModelOptions> options
    )
    {
        Names = [.. registrations.Select(r => r.Name)];
        instruments = new TransferInstruments(services.GetService<IMeterFactory>());
        TimeProvider clock = services.GetService<TimeProvider>() ?? TimeProvider.System;
        ILogger logger = (services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(
            Log.Category
        );
        string root = services.GetService<IHostEnvironment>()?.ContentRootPath ?? Environment.CurrentDirectory;
        foreach (string name in Names)
        {
            TransferModelOptions own = options.Get(name);
            models.Add(
                name,
                new HostedModel(
                    name,
                    Path.GetFullPath(own.Path, Path.GetFullPath(root)),
                    own,
                    instruments,
                    clock,
                    logger
                )
            );
        }
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>The only model.</summary>
    /// <exception cref="InvalidOperationException">There are several.</exception>
    public ITransferPredictor Single =>
        Names.Count == 1
            ? Find(Names[0])
            : throw new InvalidOperationException(
                $"{Names.Count} models are registered ({string.Join(", ", Names)}), so an "
                    + $"{nameof(ITransferPredictor)} must be asked for by name: "
                    + $"[FromKeyedServices(\"{Names[0]}\")], or {nameof(ITransferModels)}[\"{Names[0]}\"]."
            );

    public ITransferPredictor this[string name] => Find(name);

    public Task<bool> ReloadAsync(string name, CancellationToken cancellation = default) =>
        Find(name).ReloadAsync(cancellation);

    public Task StartAsync(CancellationToken cancellation) =>
        Task.WhenAll(models.Values.Select(m => m.StartAsync(cancellation)));

    public Task StopAsync(CancellationToken hurry) => Task.WhenAll(models.Values.Select(m => m.StopAsync(hurry)));

    public async ValueTask DisposeAsync()
    {
        // Whoever disposes without stopping first does not want to wait for a queue.
        await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        instruments.Dispose();
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    internal HostedModel Find(string name) =>
        models.TryGetValue(name, out HostedModel? model)
            ? model
            : throw new KeyNotFoundException(
                $"No model '{name}' is registered; there are: {string.Join(", ", Names)}. Register it with "
                    + $"AddTransferModel(\"{name}\", path)."
            );
}
