using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Makes and reads the values of ONNX tensors. Values are row-major; on disk little-endian (ONNX IR, "raw_data").
/// </summary>
public static class TensorData
{
    /// <summary>A float32 tensor.</summary>
    /// <param name="name">Name of the tensor; empty inside an attribute.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <exception cref="ArgumentException">The number of values is not the product of the shape.</exception>
    public static TensorProto Floats(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        TensorProto tensor = Empty(name, DataType.Float, values.Length, shape);
        byte[] bytes = new byte[values.Length * sizeof(float)];
        if (BitConverter.IsLittleEndian)
            MemoryMarshal.AsBytes(values).CopyTo(bytes);
        else
            for (int i = 0; i < values.Length; i++)
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
        return tensor;
    }

    /// <summary>An int64 tensor.</summary>
    /// <param name="name">Name of the tensor; empty inside an attribute.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <exception cref="ArgumentException">The number of values is not the product of the shape.</exception>
    public static TensorProto Longs(string name, ReadOnlySpan<long> values, params ReadOnlySpan<long> shape)
    {
        TensorProto tensor = Empty(name, DataType.Int64, values.Length, shape);
        byte[] bytes = new byte[values.Length * sizeof(long)];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(i * sizeof(long)), values[i]);
        tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
        return tensor;
    }

    /// <summary>The values of a float32, float64 or float16 tensor as float32 [product of shape], row-major.</summary>
    /// <exception cref="GraphException">The tensor is of another type, or its values do not fill its shape.</exception>
    public static float[] ToFloats(TensorProto tensor)
    {
        ReadOnlySpan<byte> raw = tensor.RawData.Span;
        float[] values = ((DataType)tensor.DataType, tensor.HasRawData) switch
        {
            (DataType.Float, true) => Read(raw, sizeof(float), BinaryPrimitives.ReadSingleLittleEndian),
            (DataType.Float, false) => [.. tensor.FloatData],
            (DataType.Double, true) => Read(
                raw,
                sizeof(double),
                b => (float)BinaryPrimitives.ReadDoubleLittleEndian(b)
            ),
            (DataType.Double, false) => [.. tensor.DoubleData.Select(v => (float)v)],
            (DataType.Float16, true) => Read(raw, sizeof(ushort), b => (float)BinaryPrimitives.ReadHalfLittleEndian(b)),
            (DataType.Float16, false) =>
            [
                .. tensor.Int32Data.Select(v => (float)BitConverter.UInt16BitsToHalf((ushort)v)),
            ],
            _ => throw WrongType(tensor, "float, double or float16"),
        };
        return Filling(tensor, values);
    }

    /// <summary>The values of an int64 or int32 tensor as int64 [product of shape], row-major.</summary>
    /// <exception cref="GraphException">The tensor is of another type, or its values do not fill its shape.</exception>
    public static long[] ToLongs(TensorProto tensor)
    {
        ReadOnlySpan<byte> raw = tensor.RawData.Span;
        long[] values = ((DataType)tensor.DataType, tensor.HasRawData) switch
        {
            (DataType.Int64, true) => Read(raw, sizeof(long), BinaryPrimitives.ReadInt64LittleEndian),
            (DataType.Int64, false) => [.. tensor.Int64Data],
            (DataType.Int32, true) => Read(raw, sizeof(int), b => (long)BinaryPrimitives.ReadInt32LittleEndian(b)),
            (DataType.Int32, false) => [.. tensor.Int32Data],
            _ => throw WrongType(tensor, "int64 or int32"),
        };
        return Filling(tensor, values);
    }

    /// <summary>
    /// Bytes that the type and shape of a tensor need as raw data; null where the type has no fixed size or is packed.
    /// </summary>
    internal static long? ByteLength(TensorProto tensor)
    {
        int size = (DataType)tensor.DataType switch
        {
            DataType.Bool
            or DataType.Int8
            or DataType.Uint8
            or DataType.Float8E4M3Fn
            or DataType.Float8E4M3Fnuz
            or DataType.Float8E5M2
            or DataType.Float8E5M2Fnuz => 1,
            DataType.Float16 or DataType.Bfloat16 or DataType.Int16 or DataType.Uint16 => 2,
            DataType.Float or DataType.Int32 or DataType.Uint32 => 4,
            DataType.Double or DataType.Int64 or DataType.Uint64 or DataType.Complex64 => 8,
            DataType.Complex128 => 16,
            _ => 0,
        };
        return size == 0 ? null : Count(tensor) * size;
    }

    /// <summary>
    /// Keeps the values of a float32 tensor as bytes, which copies of the model share; a list of floats, as old
    /// exporters write them, is copied each time.
    /// </summary>
    internal static void Share(TensorProto tensor)
    {
        if (tensor.DataType != (int)DataType.Float || tensor.FloatData.Count == 0 || tensor.HasRawData)
            return;
        // Where they do not fill the shape, whoever reads them says so.
        if (ByteLength(tensor) != (long)tensor.FloatData.Count * sizeof(float))
            return;
        tensor.RawData = Floats("", [.. tensor.FloatData], tensor.FloatData.Count).RawData;
        tensor.FloatData.Clear();
        tensor.FloatData.Capacity = 0;
    }

    private delegate T Reader<T>(ReadOnlySpan<byte> bytes);

    private static T[] Read<T>(ReadOnlySpan<byte> raw, int size, Reader<T> read)
    {
        T[] values = new T[raw.Length / size];
        for (int i = 0; i < values.Length; i++)
            values[i] = read(raw.Slice(i * size, size));
        return values;
    }

    private static T[] Filling<T>(TensorProto tensor, T[] values) =>
        values.Length == Count(tensor)
            ? values
            : throw new GraphException(
                $"Tensor '{tensor.Name}' has {values.Length} values; its shape [{string.Join(", ", tensor.Dims)}] "
                    + $"needs {Count(tensor)}. Export the model again."
            );

    /// <summary>Elements of a tensor, at most 2⁵⁵ so that the bytes can be counted too.</summary>
    private static long Count(TensorProto tensor)
    {
        Int128 count = tensor.Dims.Aggregate((Int128)1, (a, b) => b < 0 || a > 1L << 55 ? -1 : a * b);
        return count >= 0 && count <= 1L << 55
            ? (long)count
            : throw new GraphException(
                $"Tensor '{tensor.Name}' has the impossible shape [{string.Join(", ", tensor.Dims)}]. Export the "
                    + $"model again."
            );
    }

    private static TensorProto Empty(string name, DataType type, int count, ReadOnlySpan<long> shape)
    {
        TensorProto tensor = new() { Name = name, DataType = (int)type };
        tensor.Dims.AddRange(shape.ToArray());
        return Count(tensor) == count
            ? tensor
            : throw new ArgumentException(
                $"Tensor '{name}' of shape [{string.Join(", ", tensor.Dims)}] needs {Count(tensor)} values, not "
                    + $"{count}.",
                nameof(shape)
            );
    }

    private static GraphException WrongType(TensorProto tensor, string expected) =>
        new($"Tensor '{tensor.Name}' is of type {(DataType)tensor.DataType}; expected {expected}.");
}
