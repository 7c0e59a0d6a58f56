using System.Diagnostics.Metrics;
using System.Numerics;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// An ONNX graph that takes one preprocessed image and gives one row of numbers (features or probabilities), ready to
/// be run by many workers.
/// </summary>
/// <remarks>
/// One session, shared by all workers. Thread-safe; each worker is not. On a CPU a worker may run a few of its images
/// together, so that the weights are read once for all of them: with resnet18 four together were 8 % faster than four
/// runs, and more gained no more. It does so only where the caller says that the numbers are the same bits either way.
/// </remarks>
public sealed class ImageGraph : IDisposable
{
    private readonly SessionOptions options;
    private bool disposed;

    /// <summary>Opens a graph.</summary>
    /// <param name="onnx">The ONNX file's bytes. One input, float32 [N, 3, Size, Size].</param>
    /// <param name="output">Name of the output to read, float32 [N, width].</param>
    /// <param name="preprocessing">What turns an image into the input.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <param name="imagesPerRun">Images that a worker on a CPU runs together, in [1, 64]; more than 1 only for graphs
    /// whose numbers do not depend on it.</param>
    /// <exception cref="TransferException">The device cannot be used, or the graph does not load, or its input or
    /// output is of another shape; the message says what was found.</exception>
    public ImageGraph(
        byte[] onnx,
        string output,
        Preprocessing preprocessing,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null,
        int imagesPerRun = 1
    )
        : this(onnx, output, new ImageEncoder(preprocessing), limits, plan, imagesPerRun) { }

    /// <summary>Opens a graph of any content.</summary>
    /// <param name="onnx">The ONNX file's bytes. Its inputs are those of the encoder.</param>
    /// <param name="output">Name of the output to read, float32 [N, width].</param>
    /// <param name="encoder">What turns content into the inputs.</param>
    /// <param name="limits">What an item may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <param name="imagesPerRun">Items that a worker on a CPU runs together, in [1, 64]; more than 1 only for graphs
    /// whose numbers do not depend on it.</param>
    /// <exception cref="TransferException">As above.</exception>
    public ImageGraph(
        byte[] onnx,
        string output,
        ContentEncoder encoder,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null,
        int imagesPerRun = 1
    )
    {
        ImagesPerRun = Check.InRange(imagesPerRun, 1, 64, nameof(imagesPerRun));
        (OutputName, Encoder, Limits, Plan) = (
            output,
            encoder,
            limits ?? new ImageLimits(),
            plan ?? ExecutionPlan.For(ExecutionProvider.Cpu)
        );
        options = Plan.CreateSessionOptions();
        try
        {
            Session = new InferenceSession(onnx, options);
            OpenSessions.Opened();
            (InputName, OutputWidth) = Inspect();
        }
        catch (OnnxRuntimeException e)
        {
            Dispose();
            throw new TransferException($"ONNX Runtime {RuntimeVersion} cannot load the graph: {e.Message.Trim()}", e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Version of ONNX Runtime's native library.</summary>
    public static string RuntimeVersion => OrtEnv.Instance().GetVersionString();

    /// <summary>What turns content into the inputs.</summary>
    public ContentEncoder Encoder { get; }

    /// <summary>What turns an image into the input.</summary>
    /// <exception cref="TransferException">The graph takes other content.</exception>
    public Preprocessing Preprocessing => Encoder.OfImages("The graph");

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; }

    /// <summary>How the graph is run.</summary>
    public ExecutionPlan Plan { get; }

    /// <summary>Images that a worker on a CPU runs together.</summary>
    public int ImagesPerRun { get; }

    /// <summary>Numbers per image.</summary>
    public int OutputWidth { get; }

    internal string InputName { get; }

    internal string OutputName { get; }

    internal InferenceSession Session { get; } = null!;

    /// <summary>Makes a worker with buffers of its own.</summary>
    public ImageGraphWorker CreateWorker() => new(this);

    /// <summary>Makes memory for images that are run together, whoever decodes them.</summary>
    /// <param name="size">The most images per run, in [1, 1024].</param>
    public ImageGraphBatch CreateBatch(int size) => new(this, Check.InRange(size, 1, 1024, nameof(size)));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        if (Session is not null)
        {
            Session.Dispose();
            OpenSessions.Closed();
        }

        options.Dispose();
    }

    private (string Input, int Width) Inspect()
    {
        if (Session.InputMetadata.Count != 1)
            throw new TransferException(
                $"The graph has {Session.InputMetadata.Count} inputs "
                    + $"({string.Join(", ", Session.InputMetadata.Keys)}); exactly one, the image, was expected."
            );
        (string input, NodeMetadata image) = Session.InputMetadata.Single();
        int size = Preprocessing.Size;
        if (
            image.ElementDataType != TensorElementType.Float
            || image.Dimensions is not [_, 3, var height, var width]
            || height != size
            || width != size
        )
            throw new TransferException(
                $"Input '{input}' is {image.ElementDataType} [{string.Join(", ", image.Dimensions)}]; Float [N, 3, "
                    + $"{size}, {size}] was expected."
            );
        if (!Session.OutputMetadata.TryGetValue(OutputName, out NodeMetadata? row))
            throw new TransferException(
                $"The graph has no output '{OutputName}'; it has {string.Join(", ", Session.OutputMetadata.Keys)}."
            );
        if (row.ElementDataType != TensorElementType.Float || row.Dimensions is not [_, > 0])
            throw new TransferException(
                $"Output '{OutputName}' is {row.ElementDataType} [{string.Join(", ", row.Dimensions)}]; Float [N, "
                    + $"width] was expected."
            );
        return (input, row.Dimensions[1]);
    }
}

/// <summary>
/// Memory of an <see cref="ImageGraph"/> for ready tensors that are run together, as many as there are: used for one
/// run after another. Not thread-safe.
/// </summary>
/// <remarks>
/// On a CPU exactly the given places are run. Other devices prepare kernels per shape, so there the count is rounded up
/// to a power of two; the rows of the places beyond it are not looked at.
/// </remarks>
public sealed class ImageGraphBatch : IDisposable
{
    private readonly ImageGraph graph;
    private readonly RunOptions run = new();
    private readonly Bound?[] bound;
    private readonly float[] input;
    private readonly float[] output;

    internal ImageGraphBatch(ImageGraph graph, int size)
    {
        (this.graph, Size, bound) = (graph, size, new Bound?[size + 1]);
        input = GC.AllocateArray<float>(checked(size * graph.Preprocessing.TensorLength), pinned: true);
        output = GC.AllocateArray<float>(size * graph.OutputWidth, pinned: true);
    }

    /// <summary>The most images per run.</summary>
    public int Size { get; }

    /// <summary>Where an image's tensor is to be written [3 × Size × Size].</summary>
    /// <param name="place">The place, in [0, <see cref="Size"/>).</param>
    public Span<float> Input(int place) =>
        input.AsSpan(place * graph.Preprocessing.TensorLength, graph.Preprocessing.TensorLength);

    /// <summary>Runs the first places through the graph.</summary>
    /// <param name="count">How many, in [1, <see cref="Size"/>].</param>
    /// <exception cref="TransferException">The device failed; what it said is in the message.</exception>
    public void Run(int count)
    {
        int rows =
            graph.Plan.Provider == ExecutionProvider.Cpu
                ? count
                : Math.Min(Size, (int)BitOperations.RoundUpToPowerOf2((uint)count));
        try
        {
            graph.Session.RunWithBinding(run, (bound[rows] ??= new Bound(this, rows)).Binding);
        }
        catch (OnnxRuntimeException e)
        {
            throw new TransferException(
                $"{graph.Plan.Provider} failed on {count} images: {e.Message.ReplaceLineEndings(" ").Trim()}",
                e
            );
        }
    }

    /// <summary>The graph's numbers of the last run for one image [width]; valid until the next run.</summary>
    /// <param name="place">The place, below the count of the last run.</param>
    /// <exception cref="ImageRejectedException">One of the numbers is not finite.</exception>
    public ReadOnlySpan<float> Row(int place)
    {
        ReadOnlySpan<float> row = Output(place);
        return ImageGraphWorker.FirstNotFinite(row) is { } wrong ? throw new ImageRejectedException(wrong) : row;
    }

    /// <summary>As <see cref="Row"/>, whatever the numbers are.</summary>
    internal ReadOnlySpan<float> Output(int place) => output.AsSpan(place * graph.OutputWidth, graph.OutputWidth);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Bound? shape in bound)
            shape?.Dispose();
        run.Dispose();
    }

    /// <summary>The first rows of the memory, bound to the graph.</summary>
    private sealed class Bound : IDisposable
    {
        private readonly OrtValue input;
        private readonly OrtValue output;

        public Bound(ImageGraphBatch batch, int rows)
        {
            ImageGraph graph = batch.graph;
            int side = graph.Preprocessing.Size;
            input = OrtValue.CreateTensorValueFromMemory(
                OrtMemoryInfo.DefaultInstance,
                batch.input.AsMemory(0, rows * graph.Preprocessing.TensorLength),
                [rows, 3, side, side]
            );
            output = OrtValue.CreateTensorValueFromMemory(
                OrtMemoryInfo.DefaultInstance,
                batch.output.AsMemory(0, rows * graph.OutputWidth),
                [rows, graph.OutputWidth]
            );
            Binding = graph.Session.CreateIoBinding();
            Binding.BindInput(graph.InputName, input);
            Binding.BindOutput(graph.OutputName, output);
        }

        public OrtIoBinding Binding { get; }

        public void Dispose()
        {
            Binding.Dispose();
            input.Dispose();
            output.Dispose();
        }
    }
}

/// <summary>
/// One of the workers of an <see cref="ImageGraph"/>: decodes, preprocesses and runs one image after another, or a few
/// together, in buffers of its own. Not thread-safe.
/// </summary>
public sealed class ImageGraphWorker : IDisposable
{
    private readonly ImagePreprocessor preprocessor;
    private readonly ImageGraphBatch batch;

    internal ImageGraphWorker(ImageGraph graph)
    {
        preprocessor = new ImagePreprocessor(graph.Preprocessing, graph.Limits);
        batch = graph.CreateBatch(graph.ImagesPerRun);
    }

    /// <summary>Runs an encoded image through preprocessing and graph.</summary>
    /// <param name="encoded">The image file's bytes.</param>
    /// <param name="row">Receives the graph's numbers [width].</param>
    /// <exception cref="ImageRejectedException">The image cannot be decoded, or the graph gives a number that is not
    /// finite for it.</exception>
    public void Run(ReadOnlySpan<byte> encoded, Span<float> row)
    {
        Decode(encoded, 0);
        RunFirst(1);
        Read(0, row);
    }

    /// <summary>Runs a ready tensor through the graph, without decoding.</summary>
    /// <param name="tensor">One preprocessed image [3 × Size × Size].</param>
    /// <param name="row">Receives the graph's numbers [width].</param>
    public void Run(ReadOnlySpan<float> tensor, Span<float> row)
    {
        tensor.CopyTo(batch.Input(0));
        RunFirst(1);
        Read(0, row);
    }

    /// <summary>Decodes and preprocesses an image into one of the places that are run together.</summary>
    /// <exception cref="ImageRejectedException">The image cannot be decoded.</exception>
    internal void Decode(ReadOnlySpan<byte> encoded, int place) => preprocessor.Process(encoded, batch.Input(place));

    /// <summary>Runs the first places together.</summary>
    internal void RunFirst(int count) => batch.Run(count);

    /// <summary>Reads the numbers of one place.</summary>
    /// <exception cref="ImageRejectedException">One of them is not finite.</exception>
    internal void Read(int place, Span<float> row) => batch.Row(place).CopyTo(row);

    /// <inheritdoc/>
    public void Dispose()
    {
        batch.Dispose();
        preprocessor.Dispose();
    }

    /// <summary>Why a row is not usable; null where it is.</summary>
    internal static string? FirstNotFinite(ReadOnlySpan<float> row)
    {
        foreach (float value in row)
            if (!float.IsFinite(value))
                return $"the graph gave {value} for this image";
        return null;
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

    public static int Count => count;

    public static void Opened() => Interlocked.Increment(ref count);

    public static void Closed() => Interlocked.Decrement(ref count);
}
