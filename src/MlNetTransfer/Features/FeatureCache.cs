using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;

namespace MlNetTransfer.Features;

/// <summary>
/// Bottleneck features on disk, content-addressed: one file per <see cref="FeatureSpace"/>, one record per image
/// content. A stale hit is impossible, because everything that a feature depends on is in the file's name or the
/// record's key.
/// </summary>
/// <remarks>
/// File: "MNTFEAT1", the space's key [32], the width [int32], then records of image SHA-256 [32], features [width ×
/// float32] and the first 8 bytes of SHA-256 over both; little-endian. Records are only ever appended. A record that
/// was cut off or damaged fails its checksum and counts as a miss. One process writes at a time; others read what was
/// there when they opened the file. Where the disk is full the cache stops storing and the job goes on. Memory: 40
/// bytes per record. Thread-safe.
/// </remarks>
public sealed class FeatureCache : IRowCache, IDisposable
{
    private const int HashSize = SHA256.HashSizeInBytes;
    private const int ChecksumSize = 8;
    private const int HeaderSize = 8 + HashSize + sizeof(int);

    private readonly Dictionary<ImageKey, long> index = [];
    private readonly Lock gate = new();
    private readonly FileStream? writerLock;
    private readonly SafeFileHandle file;
    private readonly int width;
    private long end = HeaderSize;
    private bool canWrite;

    /// <summary>Opens or makes the cache file of a feature space.</summary>
    /// <param name="folder">The cache folder; made where it is missing.</param>
    /// <param name="space">The feature space.</param>
    /// <param name="width">Features per image.</param>
    /// <exception cref="TransferException">The folder cannot be made or the file cannot be opened.</exception>
    public FeatureCache(string folder, FeatureSpace space, int width)
    {
        this.width = width;
        byte[] key = space.Key();
        string path = Path.Combine(folder, Convert.ToHexStringLower(key) + ".features");
        try
        {
            Directory.CreateDirectory(folder);
            writerLock = TryLock(path + ".lock");
            canWrite = writerLock is not null;
            file = File.OpenHandle(
                path,
                FileMode.OpenOrCreate,
                canWrite ? FileAccess.ReadWrite : FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            writerLock?.Dispose();
            throw new TransferException(
                $"The feature cache '{path}' cannot be opened: {e.Message} Choose another cache folder or train "
                    + $"without a cache.",
                e
            );
        }

        byte[] header = [.. "MNTFEAT1"u8, .. key, .. BitConverter.GetBytes(width)];
        if (HasHeader(header))
            ReadIndex();
        else if (canWrite)
            Store(0, header, truncate: true);
    }

    private int RecordSize => HashSize + width * sizeof(float) + ChecksumSize;

    /// <summary>Images in the cache.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return index.Count;
        }
    }

    /// <inheritdoc/>
    public bool TryRead(ReadOnlySpan<byte> image, Span<float> row)
    {
        var key = new ImageKey(image);
        long offset;
        lock (gate)
            if (!index.TryGetValue(key, out offset))
                return false;
        byte[] record = ArrayPool<byte>.Shared.Rent(RecordSize);
        try
        {
            Span<byte> bytes = record.AsSpan(0, RecordSize);
            if (
                RandomAccess.Read(file, bytes, offset) != RecordSize
                || !IsWhole(bytes)
                || !bytes[..HashSize].SequenceEqual(image)
            )
                return Forget(key);
            bytes[HashSize..^ChecksumSize].CopyTo(MemoryMarshal.AsBytes(row));
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(record);
        }
    }

    /// <inheritdoc/>
    public void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row)
    {
        byte[] record = ArrayPool<byte>.Shared.Rent(RecordSize);
        try
        {
            Span<byte> bytes = record.AsSpan(0, RecordSize);
            image.CopyTo(bytes);
            MemoryMarshal.AsBytes(row).CopyTo(bytes[HashSize..]);
            Checksum(bytes, bytes[^ChecksumSize..]);
            var key = new ImageKey(image);
            lock (gate)
            {
                if (!canWrite || index.ContainsKey(key) || !Store(end, bytes, truncate: false))
                    return;
                index[key] = end;
                end += RecordSize;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(record);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        file.Dispose();
        writerLock?.Dispose();
    }

    private static FileStream? TryLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private bool HasHeader(byte[] header)
    {
        var found = new byte[HeaderSize];
        return RandomAccess.Read(file, found, 0) == HeaderSize && found.AsSpan().SequenceEqual(header);
    }

    private void ReadIndex()
    {
        long length = RandomAccess.GetLength(file);
        Span<byte> hash = stackalloc byte[HashSize];
        for (; end + RecordSize <= length && RandomAccess.Read(file, hash, end) == HashSize; end += RecordSize)
            index[new ImageKey(hash)] = end;
    }

    private bool Store(long offset, ReadOnlySpan<byte> bytes, bool truncate)
    {
        try
        {
            if (truncate)
                RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, bytes, offset);
            return true;
        }
        catch (IOException)
        {
            return canWrite = false;
        }
    }

    private bool Forget(ImageKey key)
    {
        lock (gate)
            index.Remove(key);
        return false;
    }

    private static bool IsWhole(ReadOnlySpan<byte> record)
    {
        Span<byte> checksum = stackalloc byte[ChecksumSize];
        Checksum(record, checksum);
        return record[^ChecksumSize..].SequenceEqual(checksum);
    }

    private static void Checksum(ReadOnlySpan<byte> record, Span<byte> checksum)
    {
        Span<byte> hash = stackalloc byte[HashSize];
        SHA256.HashData(record[..^ChecksumSize], hash);
        hash[..ChecksumSize].CopyTo(checksum);
    }

    private readonly record struct ImageKey(UInt128 High, UInt128 Low)
    {
        public ImageKey(ReadOnlySpan<byte> hash)
            : this(MemoryMarshal.Read<UInt128>(hash), MemoryMarshal.Read<UInt128>(hash[16..])) { }
    }
}

/// <summary>
/// Everything that a bottleneck feature depends on besides the image. Two features may be compared, or taken from a
/// cache, only where their spaces are equal.
/// </summary>
/// <param name="Graph">SHA-256 of the backbone's ONNX file, hexadecimal.</param>
/// <param name="Taps">The taps, in order of concatenation.</param>
/// <param name="Encoder">What turns content into the input.</param>
/// <param name="Decoder">Its version; for images, of the decoder and the resize.</param>
/// <param name="Runtime">Version of ONNX Runtime.</param>
/// <param name="Device">Execution provider and, on a CPU, the instruction sets that decide which kernels run.</param>
public sealed record FeatureSpace(
    string Graph,
    IReadOnlyList<string> Taps,
    ContentEncoder Encoder,
    string Decoder,
    string Runtime,
    string Device
)
{
    /// <summary>SHA-256 over all of it [32].</summary>
    public byte[] Key() =>
        SHA256.HashData(
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    Graph,
                    Taps,
                    Preprocessing = Encoder.Settings,
                    Decoder,
                    Runtime,
                    Device,
                }
            )
        );
}
