using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

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
    /// Histogram, 1: how unlike the training images an image is, 1 being the threshold; only where the model scores it.
    /// </summary>
    public const string UnknownScore = "mlnettransfer.unknown.score";

    /// <summary>
    /// Up-down counter, {model}: 1 while more of the last images are unlike all training images than chance explains.
    /// An alert belongs on it.
    /// </summary>
    public const string Drift = "mlnettransfer.drift";

    /// <summary>
    /// Counter, {image}: images that a candidate looked at too, by <see cref="CandidateTag"/> and
    /// <see cref="AgreesTag"/>.
    /// </summary>
    public const string Compared = "mlnettransfer.candidate.compared";

    /// <summary>Tag: name of the candidate.</summary>
    public const string CandidateTag = "mlnettransfer.candidate";

    /// <summary>
    /// Tag: <c>true</c> where both gave the same class, <c>false</c>, or <c>skipped</c> where the candidate did not
    /// look.
    /// </summary>
    public const string AgreesTag = "mlnettransfer.agrees";

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

/// <summary>The instruments of <see cref="TransferTelemetry"/>, shared by all models of a container.</summary>
internal sealed class TransferInstruments : IDisposable
{
    /// <summary>From half a millisecond (decoding a thumbnail) to ten seconds (a queue that is far too long).</summary>
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    private static readonly InstrumentAdvice<int> Images = new()
    {
        HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    };

    private static readonly InstrumentAdvice<double> Scores = new()
    {
        HistogramBucketBoundaries = [0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3],
    };

    private readonly Meter? own;
    private readonly Counter<long> requests,
        reloads,
        compared;
    private readonly UpDownCounter<int> waiting,
        active,
        loaded,
        drift;
    private readonly Histogram<double> request,
        decode,
        inference,
        unknown;
    private readonly Histogram<int> batch;

    public TransferInstruments(IMeterFactory? factory)
    {
        // A meter of a factory is the factory's to dispose.
        Meter meter = factory?.Create(TransferTelemetry.MeterName) ?? (own = new Meter(TransferTelemetry.MeterName));
        requests = meter.CreateCounter<long>(
            TransferTelemetry.Requests,
            "{request}",
            "Requests answered or refused, by outcome."
        );
        reloads = meter.CreateCounter<long>(
            TransferTelemetry.Reloads,
            "{reload}",
            "New model files taken or refused, by outcome."
        );
        waiting = meter.CreateUpDownCounter<int>(
            TransferTelemetry.QueueLength,
            "{request}",
            "Requests waiting for a worker."
        );
        active = meter.CreateUpDownCounter<int>(
            TransferTelemetry.ActiveRequests,
            "{request}",
            "Requests taken by a worker and not answered yet."
        );
        loaded = meter.CreateUpDownCounter<int>(TransferTelemetry.LoadedModels, "{model}", "Model files in memory.");
        request = meter.CreateHistogram(
            TransferTelemetry.RequestDuration,
            "s",
            "From the call to the answer.",
            advice: Seconds
        );
        decode = meter.CreateHistogram(
            TransferTelemetry.DecodeDuration,
            "s",
            "Decoding and preprocessing of one image.",
            advice: Seconds
        );
        inference = meter.CreateHistogram(
            TransferTelemetry.InferenceDuration,
            "s",
            "One run of the graph.",
            advice: Seconds
        );
        compared = meter.CreateCounter<long>(
            TransferTelemetry.Compared,
            "{image}",
            "Images that a candidate looked at too."
        );
        drift = meter.CreateUpDownCounter<int>(
            TransferTelemetry.Drift,
            "{model}",
            "1 while the images of late are less like the training images than chance explains."
        );
        unknown = meter.CreateHistogram(
            TransferTelemetry.UnknownScore,
            "1",
            "How unlike the training images an image is; 1 is the threshold.",
            advice: Scores
        );
        batch = meter.CreateHistogram(
            TransferTelemetry.BatchSize,
            "{image}",
            "Images in one run of the graph.",
            advice: Images
        );
    }

    public void Request(string model, string outcome, TimeSpan duration)
    {
        TagList tags = new() { { TransferTelemetry.ModelTag, model }, { TransferTelemetry.OutcomeTag, outcome } };
        requests.Add(1, tags);
        request.Record(duration.TotalSeconds, tags);
    }

    public void Reload(string model, string outcome) =>
        reloads.Add(1, Of(model), new(TransferTelemetry.OutcomeTag, outcome));

    public void Waiting(string model, int change) => waiting.Add(change, Of(model));

    public void Active(string model, int change) => active.Add(change, Of(model));

    public void Loaded(string model, int change) => loaded.Add(change, Of(model));

    public void Unknown(string model, float score) => unknown.Record(score, Of(model));

    public void Drifted(string model, int change) => drift.Add(change, Of(model));

    public void Compared(string model, string candidate, string agrees) =>
        compared.Add(
            1,
            Of(model),
            new(TransferTelemetry.CandidateTag, candidate),
            new(TransferTelemetry.AgreesTag, agrees)
        );

    public void Decoded(string model, TimeSpan duration) => decode.Record(duration.TotalSeconds, Of(model));

    public void Ran(string model, int images, TimeSpan duration)
    {
        inference.Record(duration.TotalSeconds, Of(model));
        batch.Record(images, Of(model));
    }

    public void Dispose() => own?.Dispose();

    private static KeyValuePair<string, object?> Of(string model) => new(TransferTelemetry.ModelTag, model);
}

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
        if (status.RegistryError is { } away)
            data["registryError"] = away;
        return Task.FromResult(
            status switch
            {
                { State: TransferModelState.Serving, ReloadError: null, RegistryError: null } =>
                    HealthCheckResult.Healthy($"Model '{status.Name}' is served.", data),
                { State: TransferModelState.Serving, ReloadError: null } => HealthCheckResult.Degraded(
                    $"Model '{status.Name}' is served; whether there is a newer version is not known: "
                        + status.RegistryError,
                    data: data
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

/// <summary>What hosting writes to the log, under the category "MlNetTransfer.Hosting".</summary>
internal static partial class Log
{
    public const string Category = "MlNetTransfer.Hosting";

    [LoggerMessage(
        1,
        LogLevel.Information,
        "Model '{Model}' is served from '{Path}': sha256 {Sha256}, {Labels} labels."
    )]
    public static partial void Loaded(ILogger logger, string model, string path, string sha256, int labels);

    [LoggerMessage(2, LogLevel.Error, "Model '{Model}': the new file '{Path}' is not served; sha256 {Sha256} goes on.")]
    public static partial void ReloadFailed(ILogger logger, string model, string path, string sha256, Exception reason);

    [LoggerMessage(3, LogLevel.Warning, "'{Path}' cannot be watched; it is looked at every {Interval}.")]
    public static partial void NotWatched(ILogger logger, string path, TimeSpan interval, Exception reason);

    [LoggerMessage(4, LogLevel.Debug, "'{Path}' was looked at in vain: {Reason}")]
    public static partial void LookFailed(ILogger logger, string path, string reason);

    [LoggerMessage(5, LogLevel.Warning, "Model '{Model}': '{Address}' cannot be followed at the moment: {Reason}")]
    public static partial void NotRefreshed(ILogger logger, string model, string address, string reason);

    [LoggerMessage(
        6,
        LogLevel.Warning,
        "Model '{Model}': {Share:P1} of the last {Images} images are unlike all training images; {Expected:P1} was "
            + "expected. Look at them, and train with such images too."
    )]
    public static partial void Drifted(ILogger logger, string model, double share, int images, double expected);

    [LoggerMessage(7, LogLevel.Information, "Model '{Model}': the images are like the training images again.")]
    public static partial void NotDrifted(ILogger logger, string model);

    [LoggerMessage(9, LogLevel.Warning, "Candidate '{Candidate}' gave no answer: {Reason}")]
    public static partial void CandidateFailed(ILogger logger, string candidate, string reason);

    [LoggerMessage(
        8,
        LogLevel.Information,
        "Candidate '{Candidate}' beside '{Model}' on {Images} images: the same class for {Agreement:P1} ({Low:P1} to "
            + "{High:P1}); its probability higher by {Difference:F4} ({LowDifference:F4} to "
            + "{HighDifference:F4}) with the candidate; {Skipped} images skipped."
    )]
    public static partial void Compared(
        ILogger logger,
        string candidate,
        string model,
        long images,
        double agreement,
        double low,
        double high,
        double difference,
        double lowDifference,
        double highDifference,
        long skipped
    );
}
