using System.Buffers.Binary;
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
