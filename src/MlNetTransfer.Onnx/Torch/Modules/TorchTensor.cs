using System.Buffers.Binary;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Weights;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>A parameter or a buffer of a module, with the initializer that it comes from.</summary>
internal sealed class TorchTensor
{
    private readonly TensorProto source;
    private readonly bool transposed;

    /// <param name="name">Name in the module.</param>
    /// <param name="source">Values: float32 or int64.</param>
    /// <param name="shape">Sizes in torch; of as many elements as the source.</param>
    /// <param name="isParameter">Whether it is trained; else a buffer.</param>
    /// <param name="transposed">Whether the source is this matrix transposed.</param>
    public TorchTensor(
        string name,
        TensorProto source,
        IReadOnlyList<long> shape,
        bool isParameter,
        bool transposed = false
    )
    {
        (Name, this.source, Shape, IsParameter, this.transposed) = (name, source, shape, isParameter, transposed);
        Type = (DataType)source.DataType switch
        {
            DataType.Float => SafeTensorType.F32,
            DataType.Int64 => SafeTensorType.I64,
            DataType other => throw new GraphException(
                $"Tensor '{source.Name}' is of type {other}; only float32 weights can be exported to torch. Convert "
                    + $"the model to float32."
            ),
        };
    }

    public string Name { get; }

    public IReadOnlyList<long> Shape { get; }

    public bool IsParameter { get; }

    public SafeTensorType Type { get; }

    /// <summary>
    /// Name of the initializer; empty where the graph computes the value from constants, or has none.
    /// </summary>
    public string Initializer => source.Name;

    /// <summary>Shape of the initializer.</summary>
    public IReadOnlyList<long> SourceShape => source.Dims;

    /// <summary>Whether two tensors are the same values in the same form.</summary>
    public bool IsSame(TorchTensor other) =>
        ReferenceEquals(source, other.source) && transposed == other.transposed && Shape.SequenceEqual(other.Shape);

    /// <summary>The values in torch's form, row-major, little-endian.</summary>
    public ReadOnlyMemory<byte> Data()
    {
        if (Type == SafeTensorType.I64)
            return TensorData.Longs("", TensorData.ToLongs(source), [.. source.Dims]).RawData.Memory;
        if (!transposed && source.HasRawData && TensorData.ByteLength(source) == source.RawData.Length)
            return source.RawData.Memory;
        float[] values = TensorData.ToFloats(source);
        return TensorData
            .Floats("", transposed ? Transposed(values, source.Dims[0], source.Dims[1]) : values, [.. Shape])
            .RawData.Memory;
    }

    /// <summary>The initializer with new values.</summary>
    /// <param name="values">Values of any real type.</param>
    /// <param name="asSource">Whether they are in the initializer's form already.</param>
    public TensorProto Restored(SafeTensor values, bool asSource)
    {
        if (Type == SafeTensorType.I64)
        {
            if (values.Type != SafeTensorType.I64)
                throw new GraphException($"'{Name}' is {values.Type}; I64 was expected.");
            long[] numbers = new long[values.Data.Length / sizeof(long)];
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(values.Data.Span[(i * sizeof(long))..]);
            return TensorData.Longs(source.Name, numbers, [.. source.Dims]);
        }

        float[] floats = values.ToFloats();
        return TensorData.Floats(
            source.Name,
            transposed && !asSource ? Transposed(floats, source.Dims[1], source.Dims[0]) : floats,
            [.. source.Dims]
        );
    }

    private static float[] Transposed(float[] values, long rows, long columns)
    {
        float[] result = new float[values.Length];
        for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            result[c * rows + r] = values[r * columns + c];
        return result;
    }
}
