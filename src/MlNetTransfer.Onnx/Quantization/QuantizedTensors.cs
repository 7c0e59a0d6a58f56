using System.Runtime.InteropServices;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>Makes the tensors of whole numbers that quantised models have.</summary>
internal static class QuantizedTensors
{
    public static TensorProto Bytes(string name, ReadOnlySpan<byte> values, IEnumerable<long> shape) =>
        Of(name, DataType.Uint8, values, shape);

    public static TensorProto SignedBytes(string name, ReadOnlySpan<sbyte> values, IEnumerable<long> shape) =>
        Of(name, DataType.Int8, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Ints(string name, ReadOnlySpan<int> values, IEnumerable<long> shape)
    {
        var bytes = new byte[values.Length * sizeof(int)];
        for (int i = 0; i < values.Length; i++)
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * sizeof(int)), values[i]);
        return Of(name, DataType.Int32, bytes, shape);
    }

    private static TensorProto Of(string name, DataType type, ReadOnlySpan<byte> raw, IEnumerable<long> shape) =>
        new()
        {
            Name = name,
            DataType = (int)type,
            Dims = { shape },
            RawData = ByteString.CopyFrom(raw),
        };
}
