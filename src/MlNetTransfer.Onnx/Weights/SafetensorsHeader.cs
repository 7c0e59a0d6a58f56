using System.Text.Json;

namespace MlNetTransfer.Onnx.Weights;

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
