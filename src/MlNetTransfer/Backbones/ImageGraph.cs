using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
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
    {
        ImagesPerRun = Check.InRange(imagesPerRun, 1, 64, nameof(imagesPerRun));
        (OutputName, Preprocessing, Limits, Plan) = (
            output,
            preprocessing,
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

    /// <summary>What turns an image into the input.</summary>
    public Preprocessing Preprocessing { get; }

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
