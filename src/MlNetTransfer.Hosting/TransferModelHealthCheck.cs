using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Healthy where the model answers from its file; degraded where it answers, but the file that is there now cannot be
/// served; unhealthy where it does not answer.
/// </summary>
/// <param name="predictor">The model.</param>
internal sealed class TransferModelHealthCheck(ITransferPredictor predictor) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        TransferModelStatus status = predictor.Status;
        var data = new Dictionary<string, object>
        {
            ["model"] = status.Name,
            ["path"] = status.Path,
            ["state"] = status.State.ToString(),
            ["labels"] = status.Labels.Count,
        };
        if (status.Version is { } version)
            (data["sha256"], data["trainingDigest"]) = (version.Sha256, version.TrainingDigest);
        if (status.LoadedAt is { } at)
            data["loadedAt"] = at.ToString("O", CultureInfo.InvariantCulture);
        if (status.ReloadError is { } error)
            data["reloadError"] = error;
        return Task.FromResult(
            status switch
            {
                { State: TransferModelState.Serving, ReloadError: null } => HealthCheckResult.Healthy(
                    $"Model '{status.Name}' is served.",
                    data
                ),
                { State: TransferModelState.Serving } => HealthCheckResult.Degraded(
                    $"An older file of model '{status.Name}' is served: {status.ReloadError}",
                    data: data
                ),
                { State: TransferModelState.Stopped } => new HealthCheckResult(
                    context.Registration.FailureStatus,
                    $"Model '{status.Name}' is stopped.",
                    data: data
                ),
                _ => new HealthCheckResult(
                    context.Registration.FailureStatus,
                    $"Model '{status.Name}' is not loaded yet.",
                    data: data
                ),
            }
        );
    }
}
