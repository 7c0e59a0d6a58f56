using System.Numerics;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

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
        ReadOnlySpan<float> row = output.AsSpan(place * graph.OutputWidth, graph.OutputWidth);
        return ImageGraphWorker.FirstNotFinite(row) is { } wrong ? throw new ImageRejectedException(wrong) : row;
    }

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
