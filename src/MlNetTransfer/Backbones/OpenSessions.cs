using System.Diagnostics.Metrics;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Counts the ONNX Runtime sessions that are open in this process: native memory that the garbage collector does not
/// see. OpenTelemetry reads it as <c>mlnettransfer.onnxruntime.sessions</c> of the meter
/// <c>MlNetTransfer.OnnxRuntime</c>.
/// </summary>
internal static class OpenSessions
{
    private static readonly Meter Meter = new("MlNetTransfer.OnnxRuntime");
    private static int count;

    static OpenSessions() =>
        Meter.CreateObservableUpDownCounter(
            "mlnettransfer.onnxruntime.sessions",
            () => count,
            "{session}",
            "ONNX Runtime sessions that are open."
        );

    public static int Count => count;

    public static void Opened() => Interlocked.Increment(ref count);

    public static void Closed() => Interlocked.Decrement(ref count);
}
