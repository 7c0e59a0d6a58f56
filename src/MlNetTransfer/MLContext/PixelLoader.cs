using System.Collections.Concurrent;
using Microsoft.ML.Data;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>Decodes images for the rows of a data view. Thread-safe: each call borrows a decoder of its own, which is kept for the next.</summary>
/// <param name="preprocessing">What turns pixels into the tensor.</param>
/// <param name="folder">Folder that relative paths are in.</param>
/// <param name="column">The column, named in errors.</param>
internal sealed class PixelLoader(Preprocessing preprocessing, string folder, string column) : IDisposable
{
    private readonly ConcurrentBag<Decoder> idle = [];

    /// <exception cref="TransferException">The image cannot be used; the message names its file.</exception>
    public void Load(PathRow source, TensorRow target)
    {
        string path = Path.Combine(folder, source.Path.ToString());
        Load(d => d.File.Read(path), target, $"'{path}'");
    }

    /// <exception cref="TransferException">The image cannot be used.</exception>
    public void Load(BytesRow source, TensorRow target)
    {
        VBuffer<byte> dense = source.Bytes;
        if (!dense.IsDense) source.Bytes.CopyToDense(ref dense);
        Load(_ => dense.GetValues(), target, $"of {dense.Length} bytes");
    }

    public void Dispose()
    {
        while (idle.TryTake(out Decoder? decoder)) decoder.Preprocessor.Dispose();
    }

    private void Load(Func<Decoder, ReadOnlySpan<byte>> read, TensorRow target, string image)
    {
        Decoder decoder = idle.TryTake(out Decoder? found) ? found : new Decoder(new ImagePreprocessor(preprocessing), new ImageFileBuffer());
        try
        {
            VBuffer<float> tensor = target.Tensor;
            VBufferEditor<float> editor = VBufferEditor.Create(ref tensor, preprocessing.TensorLength);
            decoder.Preprocessor.Process(read(decoder), editor.Values);
            target.Tensor = editor.Commit();
        }
        catch (ImageRejectedException e)
        {
            throw new TransferException($"The image {image} in column '{column}' cannot be used: {e.Reason}. Remove its row.", e);
        }
        finally
        {
            idle.Add(decoder);
        }
    }

    private sealed record Decoder(ImagePreprocessor Preprocessor, ImageFileBuffer File);
}
