using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace MlNetTransfer.Hosting;

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

    private readonly Meter? own;
    private readonly Counter<long> requests,
        reloads;
    private readonly UpDownCounter<int> waiting,
        active,
        loaded;
    private readonly Histogram<double> request,
        decode,
        inference;
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

    public void Decoded(string model, TimeSpan duration) => decode.Record(duration.TotalSeconds, Of(model));

    public void Ran(string model, int images, TimeSpan duration)
    {
        inference.Record(duration.TotalSeconds, Of(model));
        batch.Record(images, Of(model));
    }

    public void Dispose() => own?.Dispose();

    private static KeyValuePair<string, object?> Of(string model) => new(TransferTelemetry.ModelTag, model);
}
