using System.Buffers.Binary;
using System.IO.Compression;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Datasets;

/// <summary>Lists a zip archive. Nothing is inflated here and nothing is ever extracted.</summary>
internal static class ZipTree
{
    public static FileTree Read(string path, ZipLimits limits)
    {
        try
        {
            using (FileStream file = RegularFile.OpenRead(path))
                if (ZipDirectory.CountEntries(file, limits.MaxEntries) > limits.MaxEntries)
                    throw new TransferException(
                        $"'{path}' has more than {limits.MaxEntries} entries, the most allowed. Divide it, or raise "
                            + $"{nameof(ZipLimits.MaxEntries)}."
                    );
            using var archive = new ZipArchive(RegularFile.OpenRead(path), ZipArchiveMode.Read);
            CheckCosts(path, archive, limits);
            return List(path, archive, limits);
        }
        catch (InvalidDataException e)
        {
            throw new TransferException($"'{path}' is not a whole zip archive: {e.Message} Copy or make it again.", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TransferException($"'{path}' does not exist. Check the path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{path}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.",
                e
            );
        }
    }

    /// <summary>
    /// Takes off one folder that holds everything, as archives of a folder have it: where it holds folders, and either
    /// at least two of them or no file directly.
    /// </summary>
    public static FileTree WithoutCommonTop(FileTree tree)
    {
        string[] tops = tree.FoldersIn("");
        if (tops.Length != 1 || tree.HasFileIn(""))
            return tree;
        string under = tops[0] + "/";
        int inside = tree.FoldersIn(under).Length;
        if (inside == 0 || (inside == 1 && tree.HasFileIn(under)))
            return tree;
        return tree with
        {
            Files = [.. tree.Files.Select(f => f with { Name = f.Name[under.Length..] })],
            Folders = tree
                .Folders.Where(f => f.Length > under.Length)
                .Select(f => f[under.Length..])
                .ToHashSet(StringComparer.Ordinal),
        };
    }

    private static void CheckCosts(string path, ZipArchive archive, ZipLimits limits)
    {
        decimal inflated = 0,
            stored = 0;
        foreach (ZipArchiveEntry entry in archive.Entries)
            (inflated, stored) = (inflated + entry.Length, stored + entry.CompressedLength);
        if (inflated > limits.MaxInflatedBytes)
            throw new TransferException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"'{path}' inflates to {inflated} bytes; at most {limits.MaxInflatedBytes} are allowed. Divide "
                        + $"it, or raise {nameof(ZipLimits.MaxInflatedBytes)}."
                )
            );
        long length = new FileInfo(path).Length;
        if (stored > length)
            throw new TransferException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"'{path}' has {length} bytes and its entries claim {stored}: they overlap, as in zip bombs. "
                        + $"Get the archive from a source that you trust."
                )
            );
    }

    private static FileTree List(string path, ZipArchive archive, ZipLimits limits)
    {
        var files = new List<DataItem>();
        var folders = new HashSet<string>(StringComparer.Ordinal);
        var rejected = new List<RejectedItem>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            string name = entry.FullName;
            if (name.Length == 0)
                rejected.Add(new RejectedItem("(no name)", "its name is empty"));
            else if (name.Contains('\uFFFD') && IsLeftBehind(name))
                continue;
            else if (ZipEntryRules.WhyNameRefused(name) is { } badName)
                rejected.Add(new RejectedItem(Printable(name), badName));
            else if (IsLeftBehind(name))
                continue;
            else if (name.EndsWith('/'))
                AddFolders(folders, name);
            else if (!names.Add(name))
                rejected.Add(new RejectedItem(name, "stands in the archive twice; only the first is used"));
            else if (ZipEntryRules.WhyContentRefused(entry, limits) is { } badContent)
            {
                AddFolders(folders, name);
                rejected.Add(new RejectedItem(name, badContent));
            }
            else
            {
                AddFolders(folders, name);
                files.Add(new DataItem(new ZipEntryLocation(path, name), name));
            }
        }

        return new FileTree(path, files, folders, rejected);
    }

    private static bool IsLeftBehind(string name)
    {
        foreach (Range part in name.AsSpan().TrimEnd('/').Split('/'))
            if (Leftovers.Is(name.AsSpan()[part]))
                return true;
        return false;
    }

    private static void AddFolders(HashSet<string> folders, string name)
    {
        for (
            int slash = name.LastIndexOf('/');
            slash > 0 && folders.Add(name[..slash]);
            slash = name.LastIndexOf('/', slash - 1)
        ) { }
    }

    private static string Printable(string name) => new([.. name.Select(c => char.IsControl(c) ? '?' : c)]);
}

/// <summary>
/// Counts an archive's entries without making an object of each, so that an archive of a hundred million costs nothing
/// (APPNOTE 6.3.10, 4.3.12 to 4.3.16).
/// </summary>
internal static class ZipDirectory
{
    private const int EndLength = 22,
        LocatorLength = 20,
        HeaderLength = 46,
        MaxComment = ushort.MaxValue;

    /// <returns>The entries in the directory, at most one more than the limit; 0 where there is no directory.</returns>
    public static int CountEntries(FileStream file, int limit)
    {
        file.Position = FindDirectory(file);
        using var buffered = new BufferedStream(file, 1 << 16);
        Span<byte> header = stackalloc byte[HeaderLength];
        int count = 0;
        // The recorded number of entries may lie; the headers themselves cannot.
        while (
            count <= limit
            && buffered.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength
            && BinaryPrimitives.ReadUInt32LittleEndian(header) == 0x02014B50
        )
        {
            count++;
            int rest =
                BinaryPrimitives.ReadUInt16LittleEndian(header[28..])
                + BinaryPrimitives.ReadUInt16LittleEndian(header[30..])
                + BinaryPrimitives.ReadUInt16LittleEndian(header[32..]);
            buffered.Seek(rest, SeekOrigin.Current);
        }

        return count;
    }

    private static long FindDirectory(FileStream file)
    {
        var tail = new byte[Math.Min(file.Length, EndLength + MaxComment + LocatorLength)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        int end = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (end < 0 || tail.Length - end < EndLength)
            return file.Length;
        ReadOnlySpan<byte> record = tail.AsSpan(end);
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(record[16..]);
        bool is64 =
            offset == uint.MaxValue
            || BinaryPrimitives.ReadUInt16LittleEndian(record[4..]) == ushort.MaxValue
            || BinaryPrimitives.ReadUInt16LittleEndian(record[10..]) == ushort.MaxValue;
        if (!is64 || end < LocatorLength || !tail.AsSpan(end - LocatorLength).StartsWith("PK\u0006\u0007"u8))
            return Math.Min(offset, file.Length);
        Span<byte> end64 = stackalloc byte[56];
        long position = BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - LocatorLength + 8));
        if (position < 0 || position > file.Length - end64.Length)
            return file.Length;
        file.Position = position;
        file.ReadExactly(end64);
        return Math.Clamp(BinaryPrimitives.ReadInt64LittleEndian(end64[48..]), 0, file.Length);
    }
}

/// <summary>
/// Which entries of an archive may become images. Nothing is ever extracted, but names travel on into reports, file
/// names and other tools.
/// </summary>
internal static class ZipEntryRules
{
    public const string Encrypted = "encrypted; make the archive again without a password";

    private const int RatioMatters = 1 << 20;

    /// <returns>Why the entry's name is refused, or null.</returns>
    public static string? WhyNameRefused(string name)
    {
        if (name.Contains('\uFFFD'))
            return "its name is not UTF-8; make the archive again with a tool that writes UTF-8 names";
        if (name.AsSpan().IndexOfAnyInRange('\0', '\u001F') >= 0 || name.Contains('\u007F'))
            return "its name has control characters";
        if (name.Contains('\\'))
            return "its name has a backslash; archives separate folders by '/'";
        if (name[0] == '/')
            return "its name is an absolute path; expected a path inside the archive";
        if (name.Length >= 2 && name[1] == ':' && char.IsAsciiLetter(name[0]))
            return "its name has a drive letter; expected a path inside the archive";
        foreach (Range part in name.AsSpan().TrimEnd('/').Split('/'))
        {
            ReadOnlySpan<char> segment = name.AsSpan()[part];
            if (segment is "..")
                return "its name leads out of the archive by '..'";
            if (segment is "" or ".")
                return "its name has an empty folder or '.' in it";
        }

        return null;
    }

    /// <returns>Why the entry's content is refused, or null.</returns>
    public static string? WhyContentRefused(ZipArchiveEntry entry, ZipLimits limits)
    {
        if (entry.IsEncrypted)
            return Encrypted;
        if ((entry.ExternalAttributes >>> 28) == 0xA)
            return "is a link; links are not followed";
        if (entry.Length > RatioMatters && entry.Length / limits.MaxRatio > entry.CompressedLength)
            return string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"inflates from {entry.CompressedLength} to {entry.Length} bytes, as zip bombs do; at most "
                    + $"{limits.MaxRatio} times is allowed ({nameof(ZipLimits.MaxRatio)})"
            );
        return null;
    }
}

/// <summary>What an untrusted archive may cost. Checked from its directory, before anything is inflated.</summary>
public sealed record ZipLimits
{
    /// <summary>Most entries, folders included; in [1, 10⁸]. Default 1 million.</summary>
    public int MaxEntries
    {
        get;
        init => field = Check.InRange(value, 1, 100_000_000);
    } = 1_000_000;

    /// <summary>
    /// Most bytes that all entries may inflate to together; in [1, 2⁶²]. Default 256 GiB. They are inflated one at a
    /// time, so this bounds time, not memory.
    /// </summary>
    public long MaxInflatedBytes
    {
        get;
        init => field = Check.InRange(value, 1, 1L << 62);
    } = 256L << 30;

    /// <summary>
    /// Most bytes that an entry of more than 1 MiB may inflate to per stored byte; in [1, 10⁶]. Default 200. Formats
    /// with compression of their own stay near 1; zip bombs come near 1032, the most that deflate can do. Large plain
    /// bitmaps may too: raise it to 1100 for those; the largest image still bounds the memory.
    /// </summary>
    public int MaxRatio
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000);
    } = 200;
}
