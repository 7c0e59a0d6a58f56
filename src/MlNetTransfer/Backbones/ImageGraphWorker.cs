using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>One of the workers of an <see cref="ImageGraph"/>: decodes, preprocesses and runs one image after another in buffers of its own. Not thread-safe.</summary>
public sealed class ImageGraphWorker : IDisposable
{
    private readonly ImageGraph graph;
    private readonly ImagePreprocessor preprocessor;
    private readonly RunOptions run = new();
    private readonly OrtIoBinding binding;
    private readonly OrtValue inputValue;
    private readonly OrtValue outputValue;
    private readonly float[] input;
    private readonly float[] output;

    internal ImageGraphWorker(ImageGraph graph)
    {
        this.graph = graph;
        int size = graph.Preprocessing.Size;
        preprocessor = new ImagePreprocessor(graph.Preprocessing, graph.Limits);
        input = GC.AllocateArray<float>(graph.Preprocessing.TensorLength, pinned: true);
        output = GC.AllocateArray<float>(graph.OutputWidth, pinned: true);
        inputValue = OrtValue.CreateTensorValueFromMemory(input, [1, 3, size, size]);
        outputValue = OrtValue.CreateTensorValueFromMemory(output, [1, graph.OutputWidth]);
        binding = graph.Session.CreateIoBinding();
        binding.BindInput(graph.InputName, inputValue);
        binding.BindOutput(graph.OutputName, outputValue);
    }

    /// <summary>Runs an encoded image through preprocessing and graph.</summary>
    /// <param name="encoded">The image file's bytes.</param>
    /// <param name="row">Receives the graph's numbers [width].</param>
    /// <exception cref="ImageRejectedException">The image cannot be decoded, or the graph gives a number that is not finite for it.</exception>
    public void Run(ReadOnlySpan<byte> encoded, Span<float> row)
    {
        preprocessor.Process(encoded, input);
        RunTensor(row);
    }

    /// <summary>Runs a ready tensor through the graph, without decoding.</summary>
    /// <param name="tensor">One preprocessed image [3 × Size × Size].</param>
    /// <param name="row">Receives the graph's numbers [width].</param>
    public void Run(ReadOnlySpan<float> tensor, Span<float> row)
    {
        tensor.CopyTo(input);
        RunTensor(row);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        binding.Dispose();
        inputValue.Dispose();
        outputValue.Dispose();
        run.Dispose();
        preprocessor.Dispose();
    }

    private void RunTensor(Span<float> row)
    {
        graph.Session.RunWithBinding(run, binding);
        if (FirstNotFinite(output) is { } wrong) throw new ImageRejectedException(wrong);
        output.CopyTo(row);
    }

    /// <summary>Why a row is not usable; null where it is.</summary>
    internal static string? FirstNotFinite(ReadOnlySpan<float> row)
    {
        foreach (float value in row)
            if (!float.IsFinite(value)) return $"the graph gave {value} for this image";
        return null;
    }
}
