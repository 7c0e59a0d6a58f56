using System.Text.Json.Serialization;

namespace MlNetTransfer.Heads;

/// <summary>What the comparison found for one kind of head.</summary>
/// <param name="Name">Name of the candidate.</param>
/// <param name="LogLoss">Mean log-loss (nats) of rows held out, at the best temperature.</param>
/// <param name="StandardError">Its standard error over those rows.</param>
/// <param name="Accuracy">Share of those rows that it predicts rightly, in [0, 1].</param>
/// <param name="Temperature">The temperature.</param>
/// <param name="Behind">Mean of its log-loss less that of the best candidate, row by row (nats); 0 for the
/// best.</param>
/// <param name="BehindError">Standard error of <paramref name="Behind"/>.</param>
/// <param name="Elapsed">Time that its comparison took; differs from run to run, so that nothing may depend on
/// it.</param>
public sealed record HeadTrial(
    string Name,
    double LogLoss,
    double StandardError,
    double Accuracy,
    double Temperature,
    double Behind,
    double BehindError,
    [property: JsonIgnore] TimeSpan Elapsed
);
