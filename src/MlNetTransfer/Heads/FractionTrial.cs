namespace MlNetTransfer.Heads;

/// <summary>What cross-validation found for one share of the features.</summary>
/// <param name="Fraction">The share that was kept.</param>
/// <param name="Temperature">The temperature at which the held-out log-loss is lowest.</param>
/// <param name="LogLoss">Mean log-loss of the held-out rows at that temperature (nats).</param>
/// <param name="StandardError">Its standard error over those rows.</param>
/// <param name="Accuracy">Share of those rows predicted rightly, in [0, 1].</param>
public sealed record FractionTrial(
    double Fraction,
    double Temperature,
    double LogLoss,
    double StandardError,
    double Accuracy
);
