using System.Numerics;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Backbones;

/// <summary>
/// An ONNX graph that takes one item, an image unless its encoder says otherwise, and gives one row of numbers
/// (features or probabilities), ready to be run by many workers.
/// </summary>
/// <remarks>
/// One session, shared by all workers. Thread-safe; each worker is not. On a CPU a worker may run a few of its images
/// together, so that the weights are read once for all of them: with resnet18 four together were 8 % faster than four
/// runs, and more gained no more. It does so only where the caller says that the numbers are the same bits either way.
/// </remarks>
public sealed class ItemGraph : IDisposable
{
    /// <summary>Opens a graph.</summary>
    /// <param name="onnx">The ONNX file's bytes. One input, float32 [N, 3, Size, Size].</param>
    /// <param name="output">Name of the output to read, float32 [N, width].</param>
    /// <param name="preprocessing">What turns an image into the input.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <param name="itemsPerRun">Images that a worker on a CPU runs together, in [1, 64]; more than 1 only for graphs
    /// whose numbers do not depend on it.</param>
    /// <exception cref="TransferException">The device cannot be used, or the graph does not load, or its input or
    /// output is of another shape; the message says what was found.</exception>
    public ItemGraph(
        byte[] onnx,
        string output,
        Preprocessing preprocessing,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null,
        int itemsPerRun = 1
    )
        : this(onnx, output, new ImageEncoder(preprocessing), limits, plan, itemsPerRun) { }

    /// <summary>Opens a graph of any content.</summary>
    /// <param name="onnx">The ONNX file's bytes. Its inputs are those of the encoder.</param>
    /// <param name="output">Name of the output to read, float32 [N, width].</param>
    /// <param name="encoder">What turns content into the inputs.</param>
    /// <param name="limits">What an item may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <param name="itemsPerRun">Items that a worker on a CPU runs together, in [1, 64]; more than 1 only for graphs
    /// whose numbers do not depend on it.</param>
    /// <exception cref="TransferException">As above.</exception>
    public ItemGraph(
        byte[] onnx,
        string output,
        ContentEncoder encoder,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null,
        int itemsPerRun = 1
    )
    {
        ItemsPerRun = Check.InRange(itemsPerRun, 1, 64, nameof(itemsPerRun));
        (OutputName, Encoder, Limits, Plan) = (
            output,
            encoder,
            limits ?? new ImageLimits(),
            plan ?? ExecutionPlan.For(ExecutionProvider.Cpu)
        );
        try
        {
            Session = new OrtSession(onnx, Plan.Settings, "the graph");
            (InputNames, OutputWidth) = (Inputs(), Width());
        }
        catch (GraphException e)
        {
            throw new TransferException(e.Message, e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Version of ONNX Runtime's native library.</summary>
    public static string RuntimeVersion => OrtSession.RuntimeVersion;

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
    public int ItemsPerRun { get; }

    /// <summary>Numbers per image.</summary>
    public int OutputWidth { get; }

    /// <summary>Names of the inputs, in the order of the encoder's.</summary>
    internal IReadOnlyList<string> InputNames { get; } = [];

    internal string OutputName { get; }

    internal OrtSession Session { get; } = null!;

    /// <summary>Makes a worker with buffers of its own.</summary>
    public ItemGraphWorker CreateWorker() => new(this);

    /// <summary>Makes memory for images that are run together, whoever decodes them.</summary>
    /// <param name="size">The most images per run, in [1, 1024].</param>
    public ItemGraphBatch CreateBatch(int size) => new(this, Check.InRange(size, 1, 1024, nameof(size)));

    /// <inheritdoc/>
    public void Dispose() => Session?.Dispose();

    private string[] Inputs()
    {
        IReadOnlyList<EncodedInput> wanted = Encoder.Inputs;
        if (Session.Inputs.Count != wanted.Count)
            throw new TransferException(
                $"The graph has {Session.Inputs.Count} inputs ({string.Join(", ", Session.Inputs.Keys)}); exactly "
                    + $"{(wanted.Count == 1 ? "one" : wanted.Count)} for {Encoder.Kind.Label} was "
                    + $"expected."
            );
        string[] names = [.. wanted.Select(input => input.Name ?? Session.Inputs.Keys.Single())];
        for (int i = 0; i < names.Length; i++)
        {
            if (!Session.Inputs.TryGetValue(names[i], out NodeMetadata? found))
                throw new TransferException(
                    $"The graph has no input '{names[i]}'; it has {string.Join(", ", Session.Inputs.Keys)}."
                );
            if (found.ElementDataType != wanted[i].OrtType || !wanted[i].Fits(found.Dimensions))
                throw new TransferException(
                    $"Input '{names[i]}' is {found.ElementDataType} [{string.Join(", ", found.Dimensions)}]; "
                        + $"{wanted[i].OrtType} [N, {string.Join(", ", wanted[i].Shape)}] was expected."
                );
        }

        return names;
    }

    private int Width()
    {
        if (!Session.Outputs.TryGetValue(OutputName, out NodeMetadata? row))
            throw new TransferException(
                $"The graph has no output '{OutputName}'; it has {string.Join(", ", Session.Outputs.Keys)}."
            );
        if (row.ElementDataType != TensorElementType.Float || row.Dimensions is not [_, > 0])
            throw new TransferException(
                $"Output '{OutputName}' is {row.ElementDataType} [{string.Join(", ", row.Dimensions)}]; Float [N, "
                    + $"width] was expected."
            );
        return row.Dimensions[1];
    }
}

/// <summary>
/// Memory of an <see cref="ItemGraph"/> for ready tensors that are run together, as many as there are: used for one
/// run after another. Not thread-safe.
/// </summary>
/// <remarks>
/// On a CPU exactly the given places are run. Other devices prepare kernels per shape, so there the count is rounded up
/// to a power of two; the rows of the places beyond it are not looked at.
/// </remarks>
public sealed class ItemGraphBatch : IDisposable
{
    private readonly ItemGraph graph;
    private readonly RowTensor[] inputs;
    private readonly RowTensor<float> output;
    private readonly BoundRows rows;

    internal ItemGraphBatch(ItemGraph graph, int size)
    {
        this.graph = graph;
        inputs = [.. graph.Encoder.Inputs.Zip(graph.InputNames, (input, name) => input.Rows(name, size))];
        output = new RowTensor<float>(graph.OutputName, size, graph.OutputWidth);
        rows = new BoundRows(graph.Session, inputs, [output]);
    }

    /// <summary>The most images per run.</summary>
    public int Size => rows.Capacity;

    /// <summary>Where an image's tensor is to be written [3 × Size × Size].</summary>
    /// <param name="place">The place, in [0, <see cref="Size"/>).</param>
    /// <exception cref="InvalidCastException">The graph takes other content than images.</exception>
    public Span<float> Input(int place) => Item(place).Tensor<float>(0);

    /// <summary>Where the tensors of an item are to be written.</summary>
    /// <param name="place">The place, in [0, <see cref="Size"/>).</param>
    public EncodedItem Item(int place) => new(inputs, place);

    /// <summary>Runs the first places through the graph.</summary>
    /// <param name="count">How many, in [1, <see cref="Size"/>].</param>
    /// <exception cref="TransferException">The device failed; what it said is in the message.</exception>
    public void Run(int count)
    {
        int run =
            graph.Plan.Provider == ExecutionProvider.Cpu
                ? count
                : Math.Min(Size, (int)BitOperations.RoundUpToPowerOf2((uint)count));
        try
        {
            rows.Run(run);
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new TransferException($"{graph.Plan.Provider} failed on {count} images: {said}", e);
        }
    }

    /// <summary>The graph's numbers of the last run for one image [width]; valid until the next run.</summary>
    /// <param name="place">The place, below the count of the last run.</param>
    /// <exception cref="ImageRejectedException">One of the numbers is not finite.</exception>
    public ReadOnlySpan<float> Row(int place)
    {
        ReadOnlySpan<float> row = Output(place);
        return ItemGraphWorker.FirstNotFinite(row) is { } wrong ? throw new ImageRejectedException(wrong) : row;
    }

    /// <summary>As <see cref="Row"/>, whatever the numbers are.</summary>
    internal ReadOnlySpan<float> Output(int place) => output[place];

    /// <inheritdoc/>
    public void Dispose() => rows.Dispose();
}

/// <summary>
/// One of the workers of an <see cref="ItemGraph"/>: decodes, preprocesses and runs one image after another, or a few
/// together, in buffers of its own. Not thread-safe.
/// </summary>
public sealed class ItemGraphWorker : IDisposable
{
    private readonly EncoderWorker encoder;
    private readonly ItemGraphBatch batch;

    internal ItemGraphWorker(ItemGraph graph)
    {
        encoder = graph.Encoder.CreateWorker(graph.Limits);
        batch = graph.CreateBatch(graph.ItemsPerRun);
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
    internal void Decode(ReadOnlySpan<byte> encoded, int place) => encoder.Encode(encoded, batch.Item(place));

    /// <summary>Runs the first places together.</summary>
    internal void RunFirst(int count) => batch.Run(count);

    /// <summary>Reads the numbers of one place.</summary>
    /// <exception cref="ImageRejectedException">One of them is not finite.</exception>
    internal void Read(int place, Span<float> row) => batch.Row(place).CopyTo(row);

    /// <inheritdoc/>
    public void Dispose()
    {
        batch.Dispose();
        encoder.Dispose();
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
