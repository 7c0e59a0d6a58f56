using System.Diagnostics.Metrics;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>All measurements of one model, heard through a listener as a telemetry library hears them.</summary>
internal sealed class Measured : IDisposable
{
    private readonly MeterListener listener = new();
    private readonly List<(string Instrument, string? Unit, double Value, string? Outcome)> all = [];
    private readonly string model;

    public Measured(string model)
    {
        this.model = model;
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Name == "MlNetTransfer")
                own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Keep(i, v, tags));
        listener.SetMeasurementEventCallback<int>((i, v, tags, _) => Keep(i, v, tags));
        listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Keep(i, v, tags));
        listener.Start();
    }

    public double Sum(string instrument, string? outcome = null) => Values(instrument, outcome).Sum();

    public double[] Values(string instrument, string? outcome = null)
    {
        lock (all)
            return
            [
                .. all.Where(m => m.Instrument == instrument && (outcome is null || m.Outcome == outcome))
                    .Select(m => m.Value),
            ];
    }

    /// <summary>Instruments heard of, with their units.</summary>
    public string[] Instruments()
    {
        lock (all)
            return [.. all.Select(m => $"{m.Instrument} {m.Unit}").Distinct().Order(StringComparer.Ordinal)];
    }

    public void Dispose() => listener.Dispose();

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string? of = null,
            outcome = null;
        foreach ((string key, object? tag) in tags)
        {
            if (key == "mlnettransfer.model")
                of = (string?)tag;
            else if (key == "mlnettransfer.outcome")
                outcome = (string?)tag;
        }

        if (of != model)
            return;
        lock (all)
            all.Add((instrument.Name, instrument.Unit, value, outcome));
    }
}
