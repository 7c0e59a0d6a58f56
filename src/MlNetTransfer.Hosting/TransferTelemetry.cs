using System.Diagnostics;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Names of the measurements and traces, for OpenTelemetry or any other listener. Durations are in seconds; every
/// measurement has the tag <see cref="ModelTag"/>.
/// </summary>
public static class TransferTelemetry
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "MlNetTransfer";

    /// <summary>Name of the activity source: <see cref="PredictActivity"/> and <see cref="ReloadActivity"/>.</summary>
    public const string ActivitySourceName = "MlNetTransfer";

    /// <summary>Tag: the registered name of the model.</summary>
    public const string ModelTag = "mlnettransfer.model";

    /// <summary>
    /// Tag of requests (<c>ok</c>, <c>rejected</c>, <c>busy</c>, <c>cancelled</c>, <c>stopped</c>, <c>failed</c>) and
    /// reloads (<c>ok</c>, <c>failed</c>).
    /// </summary>
    public const string OutcomeTag = "mlnettransfer.outcome";

    /// <summary>Counter, {request}: requests answered or refused, by outcome.</summary>
    public const string Requests = "mlnettransfer.requests";

    /// <summary>Histogram, s: from the call to the answer, the reading of a stream included; by outcome.</summary>
    public const string RequestDuration = "mlnettransfer.request.duration";

    /// <summary>Up-down counter, {request}: requests waiting for a worker.</summary>
    public const string QueueLength = "mlnettransfer.queue.length";

    /// <summary>Up-down counter, {request}: requests taken by a worker and not answered yet.</summary>
    public const string ActiveRequests = "mlnettransfer.requests.active";

    /// <summary>Histogram, s: decoding and preprocessing of one image.</summary>
    public const string DecodeDuration = "mlnettransfer.decode.duration";

    /// <summary>Histogram, s: one run of the graph.</summary>
    public const string InferenceDuration = "mlnettransfer.inference.duration";

    /// <summary>Histogram, {image}: images in one run of the graph.</summary>
    public const string BatchSize = "mlnettransfer.batch.size";

    /// <summary>Counter, {reload}: new model files taken or refused, by outcome.</summary>
    public const string Reloads = "mlnettransfer.model.reloads";

    /// <summary>
    /// Up-down counter, {model}: model files in memory; 2 while the requests of the old one are finished.
    /// </summary>
    public const string LoadedModels = "mlnettransfer.model.loaded";

    /// <summary>
    /// Activity of one request, a child of the caller's, with the model's name, its SHA-256 and the outcome.
    /// </summary>
    public const string PredictActivity = "mlnettransfer.predict";

    /// <summary>Activity of one loading of a file, at the start or later.</summary>
    public const string ReloadActivity = "mlnettransfer.reload";

    /// <summary>Tag of activities: SHA-256 of the model file.</summary>
    public const string Sha256Tag = "mlnettransfer.model.sha256";

    internal static ActivitySource Source { get; } =
        new(ActivitySourceName, typeof(TransferTelemetry).Assembly.GetName().Version?.ToString(3));
}
