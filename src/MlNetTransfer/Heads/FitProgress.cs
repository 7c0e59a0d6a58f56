namespace MlNetTransfer.Heads;

/// <summary>How far a fit has come.</summary>
/// <param name="Stage">What is being done, fit to be shown as it is.</param>
/// <param name="Done">Steps of the stage that are done.</param>
/// <param name="Total">Steps of the stage at most; the stage may end before.</param>
public sealed record FitProgress(string Stage, int Done, int Total)
{
    /// <summary>Log-loss (nats) of the validation part after this step; null where there is none.</summary>
    public double? ValidationLogLoss { get; init; }
}
