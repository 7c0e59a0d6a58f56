using System.Globalization;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>Writes a model whose weights lie in one file beside it.</summary>
internal static class ExternalDataWriter
{
    /// <summary>Smaller tensors, such as the sizes that shape inference reads, stay in the model.</summary>
    private const int LeastBytes = 1024;

    /// <summary>Weights begin at multiples of this, so that a runtime can map the file.</summary>
    private const int Alignment = 4096;

    /// <summary>Writes the weights, then the model that names them.</summary>
    public static void Write(ModelProto model, string path)
    {
        string location = Path.GetFileName(path) + ".data";
        ModelProto light = model.Clone();
        TensorProto[] tensors =
        [
            .. ExternalData.TensorsOf(light).Where(t => t.HasRawData && t.RawData.Length >= LeastBytes),
        ];
        AtomicFile.Write(
            Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, location),
            stream => Write(tensors, location, stream)
        );
        AtomicFile.Write(path, light.WriteTo);
    }

    private static void Write(TensorProto[] tensors, string location, Stream stream)
    {
        long written = 0;
        byte[] padding = new byte[Alignment];
        foreach (TensorProto tensor in tensors)
        {
            int gap = (int)(-written & (Alignment - 1));
            stream.Write(padding, 0, gap);
            written += gap;
            tensor.RawData.WriteTo(stream);
            Refer(tensor, location, written);
            written += tensor.RawData.Length;
            tensor.ClearRawData();
        }
    }

    private static void Refer(TensorProto tensor, string location, long offset)
    {
        tensor.ExternalData.Clear();
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        tensor.ExternalData.Add(
            new StringStringEntryProto { Key = "offset", Value = offset.ToString(CultureInfo.InvariantCulture) }
        );
        tensor.ExternalData.Add(
            new StringStringEntryProto
            {
                Key = "length",
                Value = tensor.RawData.Length.ToString(CultureInfo.InvariantCulture),
            }
        );
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
    }
}
