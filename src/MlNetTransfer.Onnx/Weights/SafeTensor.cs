using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Onnx.Weights;

/// <summary>One tensor of a <see cref="SafetensorsFile"/>.</summary>
public sealed record SafeTensor
{
    /// <summary>Describes a tensor over the given bytes; they are kept, not copied.</summary>
    /// <param name="type">Type of the elements.</param>
    /// <param name="shape">Sizes, outermost first, each 0 or more; empty for a scalar.</param>
    /// <param name="data">Elements, row-major, little-endian.</param>
    /// <exception cref="ArgumentException">There are more or fewer bytes than the shape needs.</exception>
    public SafeTensor(SafeTensorType type, IReadOnlyList<long> shape, ReadOnlyMemory<byte> data)
    {
        if (shape.Any(size => size < 0))
            throw new ArgumentException(
                $"[{string.Join(", ", shape)}] is no shape: a size is negative.",
                nameof(shape)
            );
        long expected = checked(shape.Aggregate(1L, (a, b) => a * b) * type.Bytes());
        if (expected != data.Length)
            throw new ArgumentException(
                $"{type} [{string.Join(", ", shape)}] needs {expected} bytes, not {data.Length}.",
                nameof(data)
            );
        (Type, Shape, Data) = (type, [.. shape], data);
    }

    /// <summary>Type of the elements.</summary>
    public SafeTensorType Type { get; }

    /// <summary>Sizes, outermost first.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Elements, row-major, little-endian.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>A float32 tensor; the values are copied.</summary>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Sizes, outermost first.</param>
    public static SafeTensor Of(ReadOnlySpan<float> values, params IReadOnlyList<long> shape)
    {
        byte[] data = new byte[values.Length * sizeof(float)];
        if (BitConverter.IsLittleEndian)
            MemoryMarshal.AsBytes(values).CopyTo(data);
        else
            for (int i = 0; i < values.Length; i++)
                BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(i * sizeof(float)), values[i]);
        return new SafeTensor(SafeTensorType.F32, shape, data);
    }

    /// <summary>The elements as float32; halves, bfloat16 and doubles are converted.</summary>
    /// <exception cref="GraphException">The elements are integers or truth values.</exception>
    public float[] ToFloats()
    {
        ReadOnlySpan<byte> data = Data.Span;
        int size = Type.Bytes();
        float[] values = new float[data.Length / size];
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> element = data.Slice(i * size, size);
            values[i] = Type switch
            {
                SafeTensorType.F32 => BinaryPrimitives.ReadSingleLittleEndian(element),
                SafeTensorType.F16 => (float)BinaryPrimitives.ReadHalfLittleEndian(element),
                SafeTensorType.BF16 => BitConverter.Int32BitsToSingle(
                    BinaryPrimitives.ReadUInt16LittleEndian(element) << 16
                ),
                SafeTensorType.F64 => (float)BinaryPrimitives.ReadDoubleLittleEndian(element),
                _ => throw new GraphException(
                    $"A tensor of type {Type} holds no real numbers; F32, F16, BF16 or F64 was expected."
                ),
            };
        }

        return values;
    }
}
