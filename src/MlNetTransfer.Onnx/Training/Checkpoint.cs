using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// The state of a training session as bytes: "MNTSTATE", version, steps, count; then of each tensor its name, its
/// number of values and the values, float32. All little-endian; equal states give equal bytes.
/// </summary>
internal static class Checkpoint
{
    private const int Version = 1;

    private static ReadOnlySpan<byte> Magic => "MNTSTATE"u8;

    public static void Write(Stream stream, long steps, IReadOnlyList<(StateTensor Tensor, OrtValue Value)> state)
    {
        using BinaryWriter writer = new(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write(steps);
        writer.Write(state.Count);
        foreach ((StateTensor tensor, OrtValue value) in state)
        {
            ReadOnlySpan<float> values = value.GetTensorDataAsSpan<float>();
            writer.Write(tensor.Input);
            writer.Write(values.Length);
            if (BitConverter.IsLittleEndian)
                writer.Write(MemoryMarshal.AsBytes(values));
            else
                foreach (float v in values)
                    writer.Write(v);
        }
    }

    /// <summary>Reads a state whole before anything is changed.</summary>
    /// <returns>The steps done, and the values of each tensor.</returns>
    /// <exception cref="GraphException">The bytes are no checkpoint, or one of another model or other
    /// options.</exception>
    public static (long Steps, Dictionary<string, float[]> Values) Read(
        Stream stream,
        IReadOnlyList<StateTensor> expected
    )
    {
        try
        {
            using BinaryReader reader = new(stream, Encoding.UTF8, leaveOpen: true);
            if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
                throw new GraphException("The bytes are not a training state. Give what SaveState wrote.");
            if (reader.ReadInt32() is var version && version != Version)
                throw new GraphException(
                    $"The training state is of version {version}; this library reads {Version}. Use the library "
                        + $"that wrote it."
                );
            long steps = reader.ReadInt64();
            if (reader.ReadInt32() is var count && count != expected.Count)
                throw new GraphException(
                    $"The training state has {count} tensors; this session has {expected.Count}. It belongs to "
                        + $"another model or other options."
                );
            return (steps, expected.ToDictionary(t => t.Input, t => Values(reader, t)));
        }
        catch (Exception cause) when (cause is EndOfStreamException or FormatException or DecoderFallbackException)
        {
            throw new GraphException("The training state is cut short or damaged. Take an older one.", cause);
        }
    }

    private static float[] Values(BinaryReader reader, StateTensor tensor)
    {
        long size = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        string name = reader.ReadString();
        int count = reader.ReadInt32();
        if (name != tensor.Input || count != size)
            throw new GraphException(
                $"The training state has '{name}' of {count} values where this session has '{tensor.Input}' of "
                    + $"{size}. It belongs to another model or other options."
            );
        byte[] bytes = reader.ReadBytes(count * sizeof(float));
        if (bytes.Length < count * sizeof(float))
            throw new EndOfStreamException();
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i * sizeof(float)));
        return values;
    }
}
