using MlNetTransfer.Onnx.Torch.Import;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>
/// Writes TorchSharp's state dictionaries: a count, then name, type, shape and data of each tensor, numbers in LEB128.
/// </summary>
internal static class DatWriter
{
    public static void Write(IReadOnlyList<(string Path, TorchTensor Tensor)> tensors, Stream stream)
    {
        using BinaryWriter writer = new(stream, new System.Text.UTF8Encoding(false), leaveOpen: true);
        writer.Write7BitEncodedInt64(tensors.Count);
        foreach ((string path, TorchTensor tensor) in tensors)
        {
            writer.Write(path);
            writer.Write7BitEncodedInt64(TensorTypes.Number(tensor.Type));
            writer.Write7BitEncodedInt64(tensor.Shape.Count);
            foreach (long size in tensor.Shape)
                writer.Write7BitEncodedInt64(size);
            writer.Write(tensor.Data().Span);
        }
    }
}
