using Microsoft.Extensions.Hosting;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Loads the models before any hosted service (the web server is one) starts, and stops them after all have stopped:
/// who still has work to do finds them.
/// </summary>
internal sealed class TransferModelsLifetime(TransferModels models) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => models.StartAsync(cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => models.StopAsync(cancellationToken);
}
