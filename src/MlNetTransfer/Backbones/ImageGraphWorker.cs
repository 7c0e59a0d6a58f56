using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

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
