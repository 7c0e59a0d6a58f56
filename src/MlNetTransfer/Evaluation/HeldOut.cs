using System.Text.Json.Serialization;

namespace MlNetTransfer.Evaluation;

/// <summary>How well something predicts rows that it was not fitted on: the evidence behind every choice.</summary>
/// <param name="LogLoss">Mean log-loss (nats) of those rows, with the logits multiplied by
/// <paramref name="LogitScale"/>.</param>
/// <param name="StandardError">Its standard error over those rows.</param>
/// <param name="Accuracy">Share of those rows that is predicted rightly, in [0, 1].</param>
/// <param name="LogitScale">The factor on the logits at which the log-loss is lowest (temperature scaling).</param>
public sealed record HeldOut(double LogLoss, double StandardError, double Accuracy, double LogitScale)
{
    /// <summary>What is said where no row could be held out.</summary>
    public static HeldOut Nothing { get; } = new(0, 0, 0, 1);

    /// <summary>What the logits are divided by: 1 / <see cref="LogitScale"/>.</summary>
    public double Temperature { get; init; } = 1 / LogitScale;
}

/// <summary>One of several choices that were compared on rows held out.</summary>
/// <typeparam name="T">What was chosen among: a penalty, a share, a name.</typeparam>
/// <param name="Choice">The choice.</param>
/// <param name="Score">What rows held out say of it.</param>
public record Compared<T>([property: JsonIgnore] T Choice, [property: JsonIgnore] HeldOut Score)
{
    /// <summary>Mean log-loss of the rows held out (nats).</summary>
    public double LogLoss => Score.LogLoss;

    /// <summary>Its standard error over those rows.</summary>
    public double StandardError => Score.StandardError;

    /// <summary>Share of those rows that it predicts rightly, in [0, 1].</summary>
    public double Accuracy => Score.Accuracy;
}
