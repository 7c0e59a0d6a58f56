namespace MlNetTransfer.Heads;

/// <summary>How a multi-layer perceptron was fitted.</summary>
/// <param name="Epochs">Passes over the training part.</param>
/// <param name="BestEpoch">The pass after which the weights were kept.</param>
/// <param name="ValidationLogLoss">Log-loss (nats) of the validation part with those weights; NaN where no row could be
/// spared for it.</param>
/// <param name="ValidationRows">Rows of the validation part.</param>
public sealed record MlpFitReport(int Epochs, int BestEpoch, double ValidationLogLoss, int ValidationRows);
