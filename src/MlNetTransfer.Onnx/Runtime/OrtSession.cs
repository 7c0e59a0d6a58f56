using System.Diagnostics.Metrics;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Runtime;

/// <summary>
/// A graph loaded by ONNX Runtime: the only place where sessions are opened. Thread-safe; disposed when nothing runs in
/// it any more.
/// </summary>
/// <remarks>
/// Opening fails with one text, as a <see cref="GraphException"/>. Running lets ONNX Runtime's exception through: what
/// was run on what, only the caller knows. <see cref="Said"/> has ONNX Runtime's words for both.
/// </remarks>
internal sealed class OrtSession : IDisposable
{
    private readonly SessionOptions options;
    private readonly InferenceSession session;
    private readonly RunOptions run = new();
    private bool disposed;

    /// <summary>Opens a graph in memory.</summary>
    /// <param name="model">The bytes of an ONNX file.</param>
    /// <param name="settings">How it is run.</param>
    /// <param name="what">What it is, for the error: "the model", "the training graph".</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load it; what it said is in the message.</exception>
    public OrtSession(byte[] model, OrtSettings settings, string what)
        : this(options => new InferenceSession(model, options), settings, what) { }

    /// <summary>Opens a file, so that weights beside it are found.</summary>
    /// <param name="path">The ONNX file.</param>
    /// <param name="settings">How it is run.</param>
    /// <param name="what">What it is, for the error.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load it; what it said is in the message.</exception>
    public OrtSession(string path, OrtSettings settings, string what)
        : this(options => new InferenceSession(path, options), settings, what) { }

    private OrtSession(Func<SessionOptions, InferenceSession> open, OrtSettings settings, string what)
    {
        options = settings.ToOptions();
        try
        {
            session = open(options);
            OpenSessions.Opened();
        }
        catch (Exception e)
        {
            run.Dispose();
            options.Dispose();
            if (Said(e) is { } said)
                throw new GraphException($"ONNX Runtime {RuntimeVersion} cannot load {what}: {said}", e);
            throw;
        }
    }

    /// <summary>Version of ONNX Runtime's native library.</summary>
    public static string RuntimeVersion => OrtEnv.Instance().GetVersionString();

    /// <summary>The inputs by name, without initializers that may be replaced.</summary>
    public IReadOnlyDictionary<string, NodeMetadata> Inputs => session.InputMetadata;

    /// <summary>The outputs by name.</summary>
    public IReadOnlyDictionary<string, NodeMetadata> Outputs => session.OutputMetadata;

    /// <summary>
    /// What ONNX Runtime said, on one line, where an exception is its own or comes from it; null for any other.
    /// </summary>
    public static string? Said(Exception exception) =>
        (exception as OnnxRuntimeException ?? exception.InnerException as OnnxRuntimeException)
            ?.Message.ReplaceLineEndings(" ")
            .Trim();

    /// <summary>Runs the graph; ONNX Runtime allocates the outputs.</summary>
    /// <param name="inputs">A value for each input.</param>
    /// <param name="outputs">Names of the outputs to compute.</param>
    /// <returns>Their values, in the order of the names.</returns>
    /// <exception cref="OnnxRuntimeException">The run failed.</exception>
    public IDisposableReadOnlyCollection<OrtValue> Run(
        IReadOnlyDictionary<string, OrtValue> inputs,
        IReadOnlyCollection<string> outputs
    ) => session.Run(run, inputs, outputs);

    /// <summary>Runs the graph on zeros: for what does not depend on the values of the input.</summary>
    /// <param name="outputs">Names of the outputs to compute.</param>
    /// <returns>Their values, in the order of the names.</returns>
    /// <exception cref="OnnxRuntimeException">The run failed; an input of open shape makes it fail.</exception>
    public IDisposableReadOnlyCollection<OrtValue> RunOnZeros(IReadOnlyCollection<string> outputs)
    {
        Dictionary<string, OrtValue> zeros = [];
        try
        {
            foreach ((string name, NodeMetadata input) in Inputs)
            {
                zeros[name] = OrtValue.CreateAllocatedTensorValue(
                    OrtAllocator.DefaultInstance,
                    input.ElementDataType,
                    [.. input.Dimensions.Select(d => (long)d)]
                );
                zeros[name].GetTensorMutableRawData().Clear();
            }

            return Run(zeros, outputs);
        }
        finally
        {
            foreach (OrtValue value in zeros.Values)
                value.Dispose();
        }
    }

    /// <summary>Makes a binding of values to inputs and outputs, for <see cref="RunWithBinding"/>.</summary>
    public OrtIoBinding CreateIoBinding() => session.CreateIoBinding();

    /// <summary>Makes an allocator of a memory that the session's providers use.</summary>
    public OrtAllocator CreateAllocator(OrtMemoryInfo memory) => new(session, memory);

    /// <summary>Runs the graph on what is bound.</summary>
    /// <exception cref="OnnxRuntimeException">The run failed.</exception>
    public void RunWithBinding(OrtIoBinding binding) => session.RunWithBinding(run, binding);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        session.Dispose();
        OpenSessions.Closed();
        run.Dispose();
        options.Dispose();
    }
}

/// <summary>How ONNX Runtime loads and runs a graph. Immutable. They decide the bits that it computes.</summary>
/// <remarks>
/// Operators run one after another; with everything at its default a graph is run as most users run it, but quietly.
/// </remarks>
internal sealed record OrtSettings
{
    /// <summary>As most users open a file: everything optimised, one thread per core.</summary>
    public static OrtSettings Default { get; } = new();

    /// <summary>Node by node as the file has it: every tensor keeps its name, shape and value.</summary>
    public static OrtSettings AsWritten { get; } =
        new() { Optimization = GraphOptimizationLevel.ORT_DISABLE_ALL, Kernels = true };

    /// <summary>For a graph that is loaded once and run once at most, and small.</summary>
    public static OrtSettings OneThread { get; } = new() { Threads = 1 };

    /// <summary>Threads within an operator; 0 for one per core.</summary>
    public int Threads { get; init; }

    /// <summary>What may be folded and fused.</summary>
    public GraphOptimizationLevel Optimization { get; init; } = GraphOptimizationLevel.ORT_ENABLE_ALL;

    /// <summary>From which severity on ONNX Runtime writes to its own log.</summary>
    public OrtLoggingLevel Log { get; init; } = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;

    /// <summary>Whether the memory of a run is planned ahead, as one block.</summary>
    public bool MemoryPattern { get; init; } = true;

    /// <summary>Where the optimised graph is written to; null for nowhere.</summary>
    public string? OptimizedFile { get; init; }

    /// <summary>ONNX Runtime's further settings, by its own keys.</summary>
    public IReadOnlyList<(string Key, string Value)> Entries { get; init; } = [];

    /// <summary>Whether graphs may have the kernels of <see cref="KernelRegistry"/>.</summary>
    public bool Kernels { get; init; }

    /// <summary>Adds what runs operators before the CPU does; null for the CPU alone.</summary>
    public Action<SessionOptions>? Provider { get; init; }

    /// <summary>For a training step.</summary>
    /// <remarks>
    /// Without memory pattern: it allocates a second block. With the arena, the default: a step without it spends its
    /// time on page faults.
    /// </remarks>
    /// <param name="threads">Threads; null for one per core.</param>
    public static OrtSettings TrainingStep(int? threads) =>
        new()
        {
            MemoryPattern = false,
            Threads = threads ?? 0,
            Kernels = true,
        };

    /// <summary>For a training step on a device, by its provider's own kernels.</summary>
    /// <param name="device">The device.</param>
    /// <param name="threads">Threads of what it leaves to the CPU; null for one per core.</param>
    public static OrtSettings TrainingStepOn(TrainingDevice device, int? threads) =>
        TrainingStep(threads) with
        {
            Kernels = false,
            Provider = device.Append,
        };

    /// <summary>
    /// Writes the graph to a file with constants folded and nodes fused where standard operators can say so.
    /// </summary>
    /// <param name="file">The file.</param>
    public static OrtSettings Simplifying(string file) =>
        OneThread with
        {
            Optimization = GraphOptimizationLevel.ORT_ENABLE_BASIC,
            OptimizedFile = file,
        };

    /// <summary>ONNX Runtime's own form of it, to be disposed.</summary>
    public SessionOptions ToOptions()
    {
        SessionOptions options = new()
        {
            IntraOpNumThreads = Threads,
            GraphOptimizationLevel = Optimization,
            LogSeverityLevel = Log,
            EnableMemoryPattern = MemoryPattern,
        };
        try
        {
            if (OptimizedFile is { } file)
                options.OptimizedModelFilePath = file;
            foreach ((string key, string value) in Entries)
                options.AddSessionConfigEntry(key, value);
            if (Kernels)
                KernelRegistry.AddTo(options);
            Provider?.Invoke(options);
            return options;
        }
        catch
        {
            options.Dispose();
            throw;
        }
    }
}

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

    public static void Opened() => Interlocked.Increment(ref count);

    public static void Closed() => Interlocked.Decrement(ref count);
}
