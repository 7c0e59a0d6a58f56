using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Decoding;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch.Script;

namespace MlNetTransfer.Datasets;

/// <summary>One item of a data set: an image, or a text.</summary>
/// <param name="Location">Where its bytes are.</param>
/// <param name="Name">How the item is called in reports: its path below the data set's folder or in its archive, with
/// '/' on every system, or the path that its list gives; a text of a list is called by its line.</param>
/// <param name="Label">Index into the data set's class names; -1 where the item has no label.</param>
/// <param name="Group">What it has in common with other items (a patient, a camera, a burst of shots); items of one
/// group never stand on both sides of a split. Null where it stands alone.</param>
public sealed record DataItem(ItemLocation Location, string Name, int Label = DataItem.NoLabel, string? Group = null)
{
    /// <summary>The label of an item without one.</summary>
    public const int NoLabel = -1;

    /// <summary>An item that is a file of its own.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">How the item is called in reports.</param>
    /// <param name="label">Index into the data set's class names; -1 where the item has no label.</param>
    /// <param name="group">Items of one group never stand on both sides of a split.</param>
    public DataItem(string path, string name, int label = NoLabel, string? group = null)
        : this(new FileLocation(path), name, label, group) { }
}

/// <summary>
/// Where an item is: <see cref="FileLocation"/>, <see cref="ZipEntryLocation"/>, <see cref="MemoryLocation"/>,
/// <see cref="StreamLocation"/>, <see cref="PixelsLocation"/> or, of a text, <see cref="TextLocation"/>; there are no
/// others.
/// </summary>
public abstract record ItemLocation
{
    private protected ItemLocation() { }
}

/// <summary>An item that is a file of its own.</summary>
/// <param name="Path">The file.</param>
public sealed record FileLocation(string Path) : ItemLocation;

/// <summary>An item that is in memory already.</summary>
/// <param name="Bytes">The item as a file would hold it, an image encoded; not copied, so it must not change while it
/// is in use.</param>
public sealed record MemoryLocation(ReadOnlyMemory<byte> Bytes) : ItemLocation;

/// <summary>
/// An image that is decoded already. It is resized and normalised exactly as a file of the same pixels would be.
/// </summary>
/// <param name="Image">The pixels.</param>
public sealed record PixelsLocation(RgbImage Image) : ItemLocation;

/// <summary>A text, for networks of texts: a field of a list, or of a column of ML.NET.</summary>
/// <param name="Text">The text; its bytes are those of UTF-8.</param>
public sealed record TextLocation(string Text) : ItemLocation;

/// <summary>An item behind a stream that is opened when the item is needed.</summary>
/// <param name="Open">Opens the stream; called once per reading, from any thread. The stream is read to its end, or to
/// one byte past the limit, and disposed.</param>
public sealed record StreamLocation(Func<Stream> Open) : ItemLocation;

/// <summary>An item in a zip archive. It is inflated into memory when it is read, never to the disk.</summary>
/// <param name="ZipPath">The archive.</param>
/// <param name="EntryName">The entry's name as the archive has it; of several entries with that name, the
/// first.</param>
public sealed record ZipEntryLocation(string ZipPath, string EntryName) : ItemLocation;

/// <summary>
/// Reads one item after another into the same memory, from files, archives, memory or streams. Not thread-safe: one
/// per worker.
/// </summary>
/// <remarks>
/// An archive stays open from its first item until <see cref="Dispose"/>. An entry's size is checked before a byte is
/// inflated and again while inflating, then its checksum.
/// </remarks>
/// <param name="limits">The largest item; the defaults of <see cref="ImageLimits"/> if null.</param>
public sealed class ItemReader(ImageLimits? limits = null) : IDisposable
{
    private readonly ImageLimits limits = limits ?? new ImageLimits();
    private readonly ImageFileBuffer buffer = new(limits);
    private readonly Dictionary<string, ZipArchive> archives = new(StringComparer.Ordinal);

    /// <summary>The bytes of an item, as a file would hold them; valid until the next call.</summary>
    /// <param name="item">The item.</param>
    /// <exception cref="ImageRejectedException">Missing, not readable, empty, damaged, encrypted or longer than
    /// <see cref="ImageLimits.MaxBytes"/>.</exception>
    public ReadOnlySpan<byte> Read(DataItem item) =>
        item.Location switch
        {
            FileLocation file => buffer.Read(file.Path),
            ZipEntryLocation entry => ReadEntry(entry),
            MemoryLocation memory => ReadMemory(memory.Bytes.Span),
            StreamLocation stream => ReadStream(stream.Open),
            PixelsLocation pixels => buffer.Read(pixels.Image),
            TextLocation text => ReadMemory(Encoding.UTF8.GetBytes(text.Text)),
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

/// <summary>A line of the ledger: an item that was not used, and why. No item is ever dropped without one.</summary>
/// <param name="File">The item's name in its data set.</param>
/// <param name="Reason">Why it was rejected, in one line.</param>
public sealed record RejectedItem(string File, string Reason);
