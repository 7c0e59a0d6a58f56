using System.Buffers.Binary;
using MlNetTransfer.Onnx.Torch.Import;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>
/// Reads weights that were trained elsewhere: TorchScript archives and state dictionaries of PyTorch (.pt, .pth, as
/// written since PyTorch 1.6), state dictionaries of TorchSharp (.dat), and .safetensors.
/// </summary>
/// <remarks>
/// The kind is found from the content. A file is untrusted input: nothing in it is ever executed, and every length is
/// checked before it is believed.
/// </remarks>
public static class TorchWeights
{
    /// <summary>
    /// Above this the first eight bytes are no length of a .safetensors header, whether the file is whole or not.
    /// </summary>
    private const ulong LongestHeader = 100_000_000;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What it may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The file cannot be read, is damaged, too costly, or holds what weights do not
    /// need; the message says what.</exception>
    public static NamedTensors Read(string path, TorchLimits? limits = null)
    {
        try
        {
            using FileStream stream = RegularFile.OpenRead(path, 1 << 16);
            return Read(stream, $"'{path}'", limits);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new GraphException($"'{path}' cannot be read: {cause.Message}", cause);
        }
    }

    /// <summary>Reads a stream.</summary>
    /// <param name="stream">The content; it must seek.</param>
    /// <param name="name">How it is called in messages.</param>
    /// <param name="limits">What it may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The content is damaged, too costly, or holds what weights do not
    /// need.</exception>
    public static NamedTensors Read(Stream stream, string name, TorchLimits? limits = null)
    {
        limits ??= new TorchLimits();
        byte[] start = new byte[9];
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        if (read >= 4 && start is [(byte)'P', (byte)'K', 3, 4, ..])
            return new NamedTensors(name, new ArchiveReader(stream, name, limits).Read());
        if (start is [0x80, 2 or 3 or 4 or 5, ..] && read > 2 && start[2] is 0x8A or (byte)'}' or (byte)'c' or 0x95)
            throw new GraphException(
                $"{name} is a bare pickle, as PyTorch wrote before 1.6. Load it in PyTorch and save its "
                    + $"state_dict() again."
            );
        if (read == 9 && start[8] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(start) <= LongestHeader)
            return Safetensors(stream, name, limits);
        return new NamedTensors(name, DatReader.Read(stream, name, limits));
    }

    private static NamedTensors Safetensors(Stream stream, string name, TorchLimits limits)
    {
        if (stream.Length > Math.Min(limits.MaxBytes, Array.MaxLength))
            throw new GraphException(
                $"{name} has {stream.Length:N0} bytes; at most {Math.Min(limits.MaxBytes, Array.MaxLength):N0} are "
                    + $"read. Raise {nameof(TorchLimits)}.{nameof(TorchLimits.MaxBytes)}."
            );
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        SafetensorsFile file = SafetensorsFile.Parse(bytes, name);
        return new NamedTensors(name, file.Tensors, file.Metadata);
    }
}
