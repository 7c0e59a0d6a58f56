namespace MlNetTransfer.Heads;

/// <summary>What cross-validation found for one penalty.</summary>
/// <param name="L2">The penalty.</param>
/// <param name="LogitScale">The factor on the logits at which the held-out log-loss is lowest (temperature
/// scaling).</param>
/// <param name="LogLoss">Mean log-loss of the held-out rows in nats at that scale, weighted as the fit is.</param>
/// <param name="Accuracy">Share of the held-out rows predicted rightly, weighted as the fit is; in [0, 1].</param>
/// <param name="StandardError">Standard error of <paramref name="LogLoss"/> over the held-out rows, in nats.</param>
public sealed record L2Trial(double L2, double LogitScale, double LogLoss, double Accuracy, double StandardError);
