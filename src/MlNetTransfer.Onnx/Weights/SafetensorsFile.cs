using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace MlNetTransfer.Onnx.Weights;

/// <summary>
/// Named tensors in the safetensors format: 8 bytes with the header's length (little-endian), a JSON header with type,
/// shape and place of each tensor, then the raw data. Immutable.
/// </summary>
/// <remarks>
/// A file is untrusted input: lengths are checked before anything is allocated by them, every place must lie in the
/// data and fit its shape, and the places must tile the data without a hole or an overlap, as the format demands.
/// Tensors are written in the order of their names, so equal content gives equal bytes.
/// </remarks>
/// <param name="tensors">The tensors by name.</param>
/// <param name="metadata">Free text by key; null for none.</param>
public sealed class SafetensorsFile(
    IReadOnlyDictionary<string, SafeTensor> tensors,
    IReadOnlyDictionary<string, string>? metadata = null
)
{
    /// <summary>Longest header that is read, in bytes: that of the format's own library.</summary>
    public const long LongestHeader = 100_000_000;

    private const string MetadataKey = "__metadata__";

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafeTensor> Tensors { get; } = tensors;

    /// <summary>Free text by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = metadata ?? new Dictionary<string, string>();

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="largest">Longest file that is read, in bytes, at most 2 GiB; default that.</param>
    /// <exception cref="GraphException">The file cannot be read, is too long, or is no whole safetensors file; the
    /// message says what is wrong.</exception>
    public static SafetensorsFile Load(string path, long largest = int.MaxValue)
    {
        try
        {
            long length = new FileInfo(path).Length;
            if (length > Math.Min(largest, Array.MaxLength))
                throw new GraphException(
                    $"'{path}' has {length:N0} bytes; at most {Math.Min(largest, Array.MaxLength):N0} are read."
                );
            return Parse(RegularFile.ReadAllBytes(path), $"'{path}'");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new GraphException($"'{path}' cannot be read: {cause.Message}", cause);
        }
    }

    /// <summary>Reads a file's bytes; the tensors keep them.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="name">How the file is called in errors.</param>
    /// <exception cref="GraphException">The bytes are no whole safetensors file.</exception>
    public static SafetensorsFile Parse(byte[] bytes, string name)
    {
        if (bytes.Length < 8)
            throw new GraphException(
                $"{name} is no safetensors file: it has {bytes.Length} bytes, fewer than the 8 of the header's length."
            );
        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (header > (ulong)Math.Min(LongestHeader, bytes.Length - 8))
            throw new GraphException(
                $"{name} is no safetensors file: its header would have {header:N0} bytes, the file has "
                    + $"{bytes.Length - 8:N0} after the length."
            );
        try
        {
            using JsonDocument json = JsonDocument.Parse(
                bytes.AsMemory(8, (int)header),
                new JsonDocumentOptions { MaxDepth = 8 }
            );
            return SafetensorsHeader.Read(json.RootElement, bytes.AsMemory(8 + (int)header), MetadataKey);
        }
        catch (Exception cause)
            when (cause
                    is JsonException
                        or InvalidOperationException
                        or FormatException
                        or ArgumentException
                        or OverflowException
                        or KeyNotFoundException
            )
        {
            throw new GraphException(
                $"{name} is no safetensors file: {cause.Message} It is damaged, cut short, or of another format.",
                cause
            );
        }
    }

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <exception cref="GraphException">The file cannot be written; one that was there before stays as it
    /// was.</exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the file to a stream.</summary>
    public void Write(Stream stream)
    {
        string[] order = [.. Tensors.Keys.Order(StringComparer.Ordinal)];
        byte[] header = Header(order);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (string name in order)
            stream.Write(Tensors[name].Data.Span);
    }

    private byte[] Header(string[] order)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            if (Metadata.Count > 0)
            {
                json.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            long offset = 0;
            foreach (string name in order)
                SafetensorsHeader.Write(json, name, Tensors[name], ref offset);
            json.WriteEndObject();
        }

        // Padded with blanks so that the data begins at a multiple of 8.
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }
}

/// <summary>The JSON header of a safetensors file.</summary>
internal static class SafetensorsHeader
{
    /// <exception cref="FormatException">The header and the data do not fit; the message says where.</exception>
    public static SafetensorsFile Read(JsonElement root, ReadOnlyMemory<byte> data, string metadataKey)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new FormatException("its header is no JSON object.");
        Dictionary<string, SafeTensor> tensors = new(StringComparer.Ordinal);
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        List<(long Start, long End, string Name)> places = [];
        foreach (JsonProperty entry in root.EnumerateObject())
        {
            if (entry.Name == metadataKey)
            {
                foreach (JsonProperty text in entry.Value.EnumerateObject())
                    metadata[text.Name] =
                        text.Value.GetString() ?? throw new FormatException($"metadata '{text.Name}' is no text.");
                continue;
            }

            (SafeTensor tensor, long start, long end) = Tensor(entry, data);
            if (!tensors.TryAdd(entry.Name, tensor))
                throw new FormatException($"tensor '{entry.Name}' is there twice.");
            places.Add((start, end, entry.Name));
        }

        CheckTiling(places, data.Length);
        return new SafetensorsFile(tensors, metadata);
    }

    public static void Write(Utf8JsonWriter json, string name, SafeTensor tensor, ref long offset)
    {
        json.WriteStartObject(name);
        json.WriteString("dtype", tensor.Type.ToString());
        json.WriteStartArray("shape");
        foreach (long size in tensor.Shape)
            json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(offset += tensor.Data.Length);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static (SafeTensor Tensor, long Start, long End) Tensor(JsonProperty entry, ReadOnlyMemory<byte> data)
    {
        string type = entry.Value.GetProperty("dtype").GetString() ?? "";
        if (!Enum.GetNames<SafeTensorType>().Contains(type))
            throw new FormatException(
                $"tensor '{entry.Name}' has the type '{type}'; known are "
                    + $"{string.Join(", ", Enum.GetNames<SafeTensorType>())}."
            );
        long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64())];
        long[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(e => e.GetInt64())];
        if (offsets is not [var start, var end] || start < 0 || end < start || end > data.Length)
            throw new FormatException(
                $"tensor '{entry.Name}' lies at [{string.Join(", ", offsets)}] of {data.Length} bytes of data."
            );
        try
        {
            return (new SafeTensor(Enum.Parse<SafeTensorType>(type), shape, data[(int)start..(int)end]), start, end);
        }
        catch (ArgumentException cause)
        {
            throw new FormatException($"tensor '{entry.Name}': {cause.Message}", cause);
        }
    }

    private static void CheckTiling(List<(long Start, long End, string Name)> places, long length)
    {
        long next = 0;
        foreach ((long start, long end, string name) in places.OrderBy(p => p.Start).ThenBy(p => p.End))
        {
            if (start != next)
                throw new FormatException(
                    $"tensor '{name}' begins at byte {start} of the data where {next} was expected: tensors must "
                        + $"neither overlap nor leave a hole."
                );
            next = end;
        }

        if (next != length)
            throw new FormatException($"its tensors have {next} bytes, the data {length}.");
    }
}

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

/// <summary>Element types of safetensors files, under their names there.</summary>
public enum SafeTensorType
{
    /// <summary>IEEE 754 single precision.</summary>
    F32,

    /// <summary>IEEE 754 half precision.</summary>
    F16,

    /// <summary>The upper half of single precision.</summary>
    BF16,

    /// <summary>IEEE 754 double precision.</summary>
    F64,

    /// <summary>Signed, 64 bits.</summary>
    I64,

    /// <summary>Signed, 32 bits.</summary>
    I32,

    /// <summary>Signed, 16 bits.</summary>
    I16,

    /// <summary>Signed, 8 bits.</summary>
    I8,

    /// <summary>Unsigned, 8 bits.</summary>
    U8,

    /// <summary>0 or 1 in a byte.</summary>
    BOOL,
}

/// <summary>Sizes of element types.</summary>
internal static class SafeTensorTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Bytes(this SafeTensorType type) =>
        type switch
        {
            SafeTensorType.F64 or SafeTensorType.I64 => 8,
            SafeTensorType.F32 or SafeTensorType.I32 => 4,
            SafeTensorType.F16 or SafeTensorType.BF16 or SafeTensorType.I16 => 2,
            _ => 1,
        };
}
