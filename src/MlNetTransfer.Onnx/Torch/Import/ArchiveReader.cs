using System.IO.Compression;
using MlNetTransfer.Onnx.Torch.Script;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>Reads the tensors of a zip archive of torch: TorchScript, or what torch.save wrote.</summary>
/// <param name="stream">The archive.</param>
/// <param name="name">How it is called in messages.</param>
/// <param name="limits">What it may cost.</param>
internal sealed class ArchiveReader(Stream stream, string name, TorchLimits limits)
{
    private readonly Dictionary<string, ZipArchiveEntry> entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, byte[]> storages = new(StringComparer.Ordinal);
    private long budget = limits.MaxBytes;

    public IReadOnlyDictionary<string, SafeTensor> Read()
    {
        try
        {
            using ZipArchive zip = new(stream, ZipArchiveMode.Read, leaveOpen: true);
            string folder = Index(zip);
            if (entries.ContainsKey(folder + "byteorder") && Content(folder + "byteorder", 16) is not [(byte)'l', ..])
                throw new FormatException("its numbers are big-endian; save it on a little-endian machine.");
            byte[] pickle = Content(folder + "data.pkl", limits.MaxDescription);
            PickleReader reader = new(
                pickle,
                new PickleRules(
                    isScript: entries.Keys.Any(k => k.StartsWith(folder + "code/", StringComparison.Ordinal))
                )
            );
            return TensorNames
                .Of(reader.Read(), limits.MaxTensors)
                .ToDictionary(t => t.Name, t => Tensor(folder, t.Name, t.Tensor), StringComparer.Ordinal);
        }
        catch (Exception cause)
            when (cause
                    is FormatException
                        or InvalidDataException
                        or EndOfStreamException
                        or NotSupportedException
                        or ArgumentException
                        or OverflowException
                        or IndexOutOfRangeException
            )
        {
            string reason = cause is InvalidDataException or EndOfStreamException
                ? $"it is cut short or damaged ({cause.Message.TrimEnd('.')}). Copy or download it again."
                : cause.Message;
            throw new GraphException($"{name} is no whole archive of torch's weights: {reason}", cause);
        }
    }

    /// <returns>The folder that all is in, with its slash.</returns>
    private string Index(ZipArchive zip)
    {
        if (zip.Entries.Count > limits.MaxTensors + 1000)
            throw new FormatException(
                $"it has {zip.Entries.Count:N0} entries; at most {limits.MaxTensors + 1000:N0} are read."
            );
        foreach (ZipArchiveEntry entry in zip.Entries)
        {
            if (!entries.TryAdd(entry.FullName, entry))
                throw new FormatException($"entry '{entry.FullName}' is there twice.");
            if (entry.IsEncrypted)
                throw new FormatException($"entry '{entry.FullName}' is encrypted.");
        }

        string[] descriptions =
        [
            .. entries.Keys.Where(k =>
                k.EndsWith("/data.pkl", StringComparison.Ordinal)
                && k.IndexOf('/', StringComparison.Ordinal) == k.Length - 9
            ),
        ];
        return descriptions is [var only]
            ? only[..^8]
            : throw new FormatException(
                $"it has {descriptions.Length} folders with a data.pkl; one was expected. Is it an archive of "
                    + $"something else?"
            );
    }

    private byte[] Content(string path, long most)
    {
        if (!entries.TryGetValue(path, out ZipArchiveEntry? entry))
            throw new FormatException($"it has no entry '{path}'.");
        if (entry.Length > Math.Min(most, Array.MaxLength))
            throw new FormatException(
                $"entry '{path}' has {entry.Length:N0} bytes; at most {Math.Min(most, Array.MaxLength):N0} were "
                    + $"expected."
            );
        // torch stores its entries as they are; whoever packs them again hardly gets weights below a hundredth.
        if (entry.Length > 1 << 20 && entry.Length / 100 > entry.CompressedLength)
            throw new FormatException(
                $"entry '{path}' would inflate from {entry.CompressedLength:N0} to {entry.Length:N0} bytes."
            );
        byte[] content = new byte[entry.Length];
        using Stream source = entry.Open();
        source.ReadExactly(content);
        if (Crc32.Of(content) != entry.Crc32)
            throw new FormatException(
                $"entry '{path}' is not what the archive's checksum says: it is damaged, copy or download it again (or "
                    + "it was saved with torch's compute_crc32 off; save it again with it on)."
            );
        return content;
    }

    private SafeTensor Tensor(string folder, string tensorName, PickleTensor tensor)
    {
        int size = tensor.Storage.Type.Bytes();
        if (tensor.Sizes.Count != tensor.Strides.Count)
            throw new FormatException(
                $"'{tensorName}' has {tensor.Sizes.Count} sizes and {tensor.Strides.Count} strides."
            );
        Int128 count = 1,
            last = tensor.Offset;
        for (int i = 0; i < tensor.Sizes.Count; i++)
        {
            count = count > long.MaxValue ? count : count * tensor.Sizes[i];
            last = last > long.MaxValue ? last : last + (Int128)Math.Max(0, tensor.Sizes[i] - 1) * tensor.Strides[i];
        }

        if (tensor.Offset < 0 || (count > 0 && last >= tensor.Storage.Count))
            throw new FormatException(
                $"'{tensorName}' [{string.Join(", ", tensor.Sizes)}] lies outside its storage of "
                    + $"{tensor.Storage.Count:N0} elements."
            );
        if (count * size > Math.Min(budget, Array.MaxLength))
            throw new FormatException(
                $"its tensors have more bytes than are read; raise "
                    + $"{nameof(TorchLimits)}.{nameof(TorchLimits.MaxBytes)}."
            );
        budget -= (long)count * size;
        byte[] storage = Storage(folder, tensor.Storage);
        return new SafeTensor(
            tensor.Storage.Type,
            tensor.Sizes,
            IsRowMajor(tensor)
                ? storage.AsMemory((int)tensor.Offset * size, (int)count * size)
                : Gathered(tensor, storage, size, (int)count)
        );
    }

    private byte[] Storage(string folder, PickleStorage storage)
    {
        string path = $"{folder}data/{storage.Key}";
        if (!storages.TryGetValue(path, out byte[]? content))
            storages[path] = content = Content(path, limits.MaxBytes);
        long needed = checked(storage.Count * storage.Type.Bytes());
        return content.Length >= needed
            ? content
            : throw new FormatException(
                $"storage '{path}' has {content.Length:N0} bytes; {storage.Count:N0} elements of {storage.Type} "
                    + $"need {needed:N0}."
            );
    }

    private static bool IsRowMajor(PickleTensor tensor)
    {
        long expected = 1;
        for (int i = tensor.Sizes.Count - 1; i >= 0; expected *= tensor.Sizes[i--])
            if (tensor.Sizes[i] > 1 && tensor.Strides[i] != expected)
                return false;
        return true;
    }

    private static byte[] Gathered(PickleTensor tensor, byte[] storage, int size, int count)
    {
        byte[] data = new byte[count * size];
        long[] index = new long[tensor.Sizes.Count];
        for (int i = 0; i < count; i++)
        {
            long from = tensor.Offset;
            for (int axis = 0; axis < index.Length; axis++)
                from += index[axis] * tensor.Strides[axis];
            storage.AsSpan((int)from * size, size).CopyTo(data.AsSpan(i * size));
            for (int axis = index.Length - 1; axis >= 0 && ++index[axis] == tensor.Sizes[axis]; axis--)
                index[axis] = 0;
        }

        return data;
    }
}
