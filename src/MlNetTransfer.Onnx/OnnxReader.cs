using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>Reads untrusted ONNX bytes within limits.</summary>
internal static class OnnxReader
{
    public static ModelProto Load(string path, OnnxLimits limits)
    {
        try
        {
            using FileStream stream = RegularFile.OpenRead(path, 1 << 16);
            if (stream.Length > limits.MaxBytes)
                throw new GraphException(
                    $"{path} has {stream.Length:N0} bytes; at most {limits.MaxBytes:N0} are allowed. Keep large "
                        + $"weights as external data, or raise {nameof(OnnxLimits)}.{nameof(OnnxLimits.MaxBytes)}."
                );
            using CodedInputStream input = CodedInputStream.CreateWithLimits(
                stream,
                limits.MaxBytes,
                limits.MaxNesting
            );
            ModelProto model = Parse(input, path);
            ExternalData.ReadInto(model, path, limits);
            return model;
        }
        catch (Exception cause)
            when (cause is IOException and not InvalidProtocolBufferException or UnauthorizedAccessException)
        {
            throw new GraphException(
                $"{path} could not be read ({cause.Message}). Give the path of an ONNX file that exists and may be "
                    + $"read.",
                cause
            );
        }
    }

    public static ModelProto Parse(byte[] bytes, string what, OnnxLimits limits)
    {
        if (bytes.Length > limits.MaxBytes)
            throw new GraphException(
                $"{what} has {bytes.Length:N0} bytes; at most {limits.MaxBytes:N0} are allowed. Raise "
                    + $"{nameof(OnnxLimits)}.{nameof(OnnxLimits.MaxBytes)}."
            );
        using MemoryStream stream = new(bytes, writable: false);
        using CodedInputStream input = CodedInputStream.CreateWithLimits(stream, limits.MaxBytes, limits.MaxNesting);
        ModelProto model = Parse(input, what);
        if (ExternalData.TensorsOf(model).FirstOrDefault(ExternalData.IsExternal) is { } external)
            throw new GraphException(
                $"Tensor '{external.Name}' of {what} keeps its values in another file, which bytes alone do not "
                    + $"name. Load the model by its path."
            );
        return model;
    }

    private static ModelProto Parse(CodedInputStream input, string what)
    {
        try
        {
            ModelProto model = ModelProto.Parser.ParseFrom(input);
            string? missing =
                model.IrVersion <= 0 ? "IR version"
                : model.Graph is null ? "graph"
                : model.OpsetImport.Count == 0 && model.IrVersion >= 3 ? "operator set"
                : null;
            return missing is null
                ? model
                : throw new GraphException(
                    $"{what} is not an ONNX model: it has no {missing}. Expected a file written by an ONNX "
                        + $"exporter; was it copied or downloaded whole?"
                );
        }
        catch (InvalidProtocolBufferException cause)
        {
            throw new GraphException(
                $"{what} is not an ONNX model, or is cut short ({cause.Message}) Expected a file written by an ONNX "
                    + $"exporter; copy or download it again.",
                cause
            );
        }
    }
}
