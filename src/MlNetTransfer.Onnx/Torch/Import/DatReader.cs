using System.Text;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>
/// Reads TorchSharp's state dictionaries: a count, then name, type, shape and data of each tensor, numbers in LEB128.
/// </summary>
internal static class DatReader
{
    private const int LongestName = 1 << 16,
        HighestRank = 64;

    public static Dictionary<string, SafeTensor> Read(Stream stream, string name, TorchLimits limits)
    {
        using BinaryReader reader = new(stream, Encoding.UTF8, leaveOpen: true);
        try
        {
            long count = Number(reader, "the number of tensors");
            if (count > limits.MaxTensors || count > stream.Length)
                throw new FormatException(
                    $"it would hold {count:N0} tensors in {stream.Length:N0} bytes; at most {limits.MaxTensors:N0} "
                        + $"are read."
                );
            Dictionary<string, SafeTensor> tensors = new(StringComparer.Ordinal);
            long budget = limits.MaxBytes;
            for (long i = 0; i < count; i++)
            {
                (string key, SafeTensor tensor) = Tensor(reader, stream, ref budget);
                if (!tensors.TryAdd(key, tensor))
                    throw new FormatException($"tensor '{key}' is there twice.");
            }

            return stream.Position == stream.Length
                ? tensors
                : throw new FormatException($"{stream.Length - stream.Position:N0} bytes follow the last tensor.");
        }
        catch (Exception cause) when (cause is FormatException or EndOfStreamException or DecoderFallbackException)
        {
            throw new GraphException(
                $"{name} is no whole file of weights that is known (.pt, .dat, .safetensors). As a .dat of "
                    + $"TorchSharp: {cause.Message}",
                cause
            );
        }
    }

    private static (string Name, SafeTensor Tensor) Tensor(BinaryReader reader, Stream stream, ref long budget)
    {
        long length = Number(reader, "the length of a name");
        if (length > Math.Min(LongestName, Left(stream)))
            throw new FormatException($"a name of {length:N0} bytes was announced.");
        string name = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(reader.ReadBytes((int)length));
        if (name.Any(char.IsControl))
            throw new FormatException("a name has control characters.");
        long number = Number(reader, $"the type of '{name}'");
        SafeTensorType type =
            TensorTypes.OfNumber(number)
            ?? throw new FormatException($"'{name}' has the element type {number}, which is not known or not real.");
        long rank = Number(reader, $"the rank of '{name}'");
        if (rank > HighestRank)
            throw new FormatException($"'{name}' has {rank:N0} dimensions.");
        long[] shape = new long[rank];
        Int128 bytes = type.Bytes();
        for (int i = 0; i < rank; i++)
        {
            shape[i] = Number(reader, $"the shape of '{name}'");
            bytes = bytes > long.MaxValue ? bytes : bytes * shape[i];
        }

        if (bytes > Left(stream))
            throw new FormatException(
                $"'{name}' {type} [{string.Join(", ", shape)}] needs {bytes} bytes; {Left(stream):N0} are left."
            );
        if (bytes > Math.Min(budget, Array.MaxLength))
            throw new FormatException(
                $"its tensors have more bytes than are read; raise "
                    + $"{nameof(TorchLimits)}.{nameof(TorchLimits.MaxBytes)}."
            );
        budget -= (long)bytes;
        byte[] data = new byte[(int)bytes];
        stream.ReadExactly(data);
        return (name, new SafeTensor(type, shape, data));
    }

    private static long Left(Stream stream) => stream.Length - stream.Position;

    /// <summary>An unsigned LEB128 number below 2⁶³.</summary>
    private static long Number(BinaryReader reader, string what)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = reader.ReadByte();
            if (shift == 63 && next > 0)
                throw new FormatException($"{what} is above 2^63.");
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return (long)value;
        }
    }
}
