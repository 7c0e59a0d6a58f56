using System.IO.Compression;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Datasets;

/// <summary>Lists a zip archive. Nothing is inflated here and nothing is ever extracted.</summary>
internal static class ImageZip
{
    public static ImageTree Read(string path, ZipLimits limits)
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
    public static ImageTree WithoutCommonTop(ImageTree tree)
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

    private static ImageTree List(string path, ZipArchive archive, ZipLimits limits)
    {
        var files = new List<ImageItem>();
        var folders = new HashSet<string>(StringComparer.Ordinal);
        var rejected = new List<RejectedImage>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            string name = entry.FullName;
            if (name.Length == 0)
                rejected.Add(new RejectedImage("(no name)", "its name is empty"));
            else if (ZipEntryRules.WhyNameRefused(name) is { } badName)
                rejected.Add(new RejectedImage(Printable(name), badName));
            else if (IsLeftBehind(name))
                continue;
            else if (name.EndsWith('/'))
                AddFolders(folders, name);
            else if (!names.Add(name))
                rejected.Add(new RejectedImage(name, "stands in the archive twice; only the first is used"));
            else if (ZipEntryRules.WhyContentRefused(entry, limits) is { } badContent)
            {
                AddFolders(folders, name);
                rejected.Add(new RejectedImage(name, badContent));
            }
            else
            {
                AddFolders(folders, name);
                files.Add(new ImageItem(new ZipEntryLocation(path, name), name));
            }
        }

        return new ImageTree(path, files, folders, rejected);
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
