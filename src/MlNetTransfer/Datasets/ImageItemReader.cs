using System.Diagnostics;
using System.IO.Compression;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Reads one image after another into the same memory, from files, archives, memory or streams. Not thread-safe: one
/// per worker.
/// </summary>
/// <remarks>
/// An archive stays open from its first image until <see cref="Dispose"/>. An entry's size is checked before a byte is
/// inflated and again while inflating, then its checksum.
/// </remarks>
/// <param name="limits">The largest image; the defaults of <see cref="ImageLimits"/> if null.</param>
public sealed class ImageItemReader(ImageLimits? limits = null) : IDisposable
{
    private readonly ImageLimits limits = limits ?? new ImageLimits();
    private readonly ImageFileBuffer buffer = new(limits);
    private readonly Dictionary<string, ZipArchive> archives = new(StringComparer.Ordinal);

    /// <summary>The encoded bytes of an image; valid until the next call.</summary>
    /// <param name="item">The image.</param>
    /// <exception cref="ImageRejectedException">Missing, not readable, empty, damaged, encrypted or longer than
    /// <see cref="ImageLimits.MaxBytes"/>.</exception>
    public ReadOnlySpan<byte> Read(ImageItem item) =>
        item.Location switch
        {
            FileLocation file => buffer.Read(file.Path),
            ZipEntryLocation entry => ReadEntry(entry),
            MemoryLocation memory => ReadMemory(memory.Bytes.Span),
            StreamLocation stream => ReadStream(stream.Open),
            PixelsLocation pixels => buffer.Read(pixels.Image),
            _ => throw new UnreachableException($"Unknown location {item.Location}."),
        };

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ZipArchive archive in archives.Values)
            archive.Dispose();
        archives.Clear();
    }

    private ReadOnlySpan<byte> ReadMemory(ReadOnlySpan<byte> bytes)
    {
        ImageGuard.CheckBytes(bytes.Length, limits);
        return bytes;
    }

    private ReadOnlySpan<byte> ReadStream(Func<Stream> open)
    {
        try
        {
            using Stream content = open();
            return buffer.Read(content);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            throw new ImageRejectedException($"the stream cannot be opened: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private ReadOnlySpan<byte> ReadEntry(ZipEntryLocation location)
    {
        try
        {
            ZipArchiveEntry entry =
                Open(location.ZipPath).GetEntry(location.EntryName)
                ?? throw new ImageRejectedException(
                    $"the archive '{location.ZipPath}' has no entry '{location.EntryName}'"
                );
            if (entry.IsEncrypted)
                throw new ImageRejectedException(ZipEntryRules.Encrypted);
            ImageGuard.CheckBytes(entry.Length, limits);
            using Stream content = entry.Open();
            ReadOnlySpan<byte> bytes = buffer.Read(content, entry.Length);
            if (Crc32.Of(bytes) != entry.Crc32)
                throw new ImageRejectedException(
                    $"damaged in the archive: the checksum of its {bytes.Length} bytes is not the one recorded"
                );
            return bytes;
        }
        catch (Exception e)
            when (e
                    is IOException
                        or InvalidDataException
                        or UnauthorizedAccessException
                        or NotSupportedException
                        or ArgumentException
            )
        {
            throw new ImageRejectedException(
                $"cannot be read from the archive '{location.ZipPath}': {e.Message.ReplaceLineEndings(" ")}",
                e
            );
        }
    }

    private ZipArchive Open(string path)
    {
        if (!archives.TryGetValue(path, out ZipArchive? archive))
            archives.Add(path, archive = new ZipArchive(RegularFile.OpenRead(path), ZipArchiveMode.Read));
        return archive;
    }
}
