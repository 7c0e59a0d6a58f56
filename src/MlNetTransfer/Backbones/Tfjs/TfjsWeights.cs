using System.Buffers.Binary;
using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Reads the weights of a TF.js model. Each group's shards are one run of bytes, in the order of the manifest; weights
/// lie in it one after another. Quantised weights (uint8, uint16) are q · scale + min, of biases and batch-norm
/// statistics too; float16 is widened. Source: TensorFlow.js, io/types.ts (WeightsManifestEntry).
/// </summary>
internal static class TfjsWeights
{
    public static Dictionary<string, TfTensor> Read(JsonElement model, string file, Func<string, byte[]> shard)
    {
        Dictionary<string, TfTensor> weights = [];
        if (!model.TryGetProperty("weightsManifest", out JsonElement manifest))
            throw new TfjsException($"{file} has no weightsManifest; expected a TF.js model with weights.");
        foreach (JsonElement group in manifest.EnumerateArray())
        {
            byte[] bytes = [.. group.GetProperty("paths").EnumerateArray().SelectMany(p => shard(p.GetString()!))];
            int at = 0;
            foreach (JsonElement entry in group.GetProperty("weights").EnumerateArray())
            {
                TfTensor tensor = Tensor(entry, bytes, ref at, file);
                if (!weights.TryAdd(tensor.Name, tensor))
                    throw new TfjsException($"{file}: the weight '{tensor.Name}' is there twice.");
            }

            if (at != bytes.Length)
                throw new TfjsException(
                    $"{file}: the weights need {at:N0} bytes; the shards have {bytes.Length:N0}. They belong to "
                        + $"another model; restore the package again."
                );
        }

        return weights;
    }

    private static TfTensor Tensor(JsonElement entry, byte[] bytes, ref int at, string file)
    {
        string name = entry.GetProperty("name").GetString()!;
        long[] shape = [.. entry.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64())];
        string type = entry.GetProperty("dtype").GetString()!;
        (double scale, double min) = (1, 0);
        if (entry.TryGetProperty("quantization", out JsonElement quantization))
        {
            type = quantization.GetProperty("dtype").GetString()!;
            if (quantization.TryGetProperty("scale", out JsonElement s))
                scale = s.GetDouble();
            if (quantization.TryGetProperty("min", out JsonElement m))
                min = m.GetDouble();
        }

        int size = type switch
        {
            "float32" or "int32" => 4,
            "uint16" or "float16" => 2,
            "uint8" or "bool" => 1,
            _ => throw new TfjsException(
                $"{file}: the weight '{name}' is of type '{type}'; known are float32, int32, bool, uint8, uint16 "
                    + $"and float16."
            ),
        };
        long count = shape.Aggregate(1L, (a, b) => checked(a * b));
        if (count < 0 || count > (bytes.Length - at) / size)
            throw new TfjsException(
                $"{file}: the weight '{name}' needs {count * size:N0} bytes; {bytes.Length - at:N0} are left in the "
                    + $"shards. Restore the package again."
            );
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(Number(type, bytes.AsSpan(at + i * size, size)) * scale + min);
        at += values.Length * size;
        return new TfTensor(name, shape, values);
    }

    private static double Number(string type, ReadOnlySpan<byte> bytes) =>
        type switch
        {
            "float32" => BinaryPrimitives.ReadSingleLittleEndian(bytes),
            "int32" => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            "uint16" => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            "float16" => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
            _ => bytes[0],
        };
}
