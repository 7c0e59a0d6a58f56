namespace MlNetTransfer.Studio;

/// <summary>The folders that may be looked at. A path counts as where it really is, links followed.</summary>
internal sealed class StudioRoots
{
    private const int MostLinks = 40;

    private readonly string[] roots,
        all;

    /// <param name="folders">The folders.</param>
    /// <param name="own">A folder of the studio's, with what was dropped on its pages; it must be there.</param>
    /// <exception cref="TransferException">One does not exist.</exception>
    public StudioRoots(IReadOnlyList<string> folders, string own)
    {
        if (folders.FirstOrDefault(f => !Directory.Exists(f)) is { } missing)
            throw new TransferException(
                $"The folder '{missing}' does not exist. Name folders of images: mlnet-transfer studio photos."
            );
        roots = [.. folders.Select(f => Path.TrimEndingDirectorySeparator(RealPath(f))).Distinct()];
        all = [.. roots, Path.TrimEndingDirectorySeparator(RealPath(own))];
    }

    /// <summary>The folders, where they really are.</summary>
    public IReadOnlyList<string> Folders => roots;

    /// <summary>Where a file or folder really is; null where it does not exist, or is in none of the folders.</summary>
    public string? Find(string path)
    {
        try
        {
            if (path.Length == 0 || path.Contains('\0') || !Path.IsPathFullyQualified(path))
                return null;
            string real = RealPath(path);
            return (File.Exists(real) || Directory.Exists(real)) && all.Any(root => IsWithin(real, root)) ? real : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Where a folder really is.</summary>
    /// <exception cref="TransferException">It is no folder, or in none of those that may be looked at.</exception>
    public string Folder(string path) =>
        Find(path) is not { } found
            ? throw new TransferException(
                $"'{path}' is no folder that the studio may look at. It was started for: {string.Join(", ", Folders)}."
            )
        : Directory.Exists(found) ? found
        : throw new TransferException($"'{path}' is a file; a folder of images was expected.");

    /// <summary>Whether a path, there or not, is in one of the folders.</summary>
    public bool Contain(string path) => all.Any(root => IsWithin(RealPath(path), root));

    public static bool IsWithin(string path, string root)
    {
        StringComparison comparison = OperatingSystem.IsWindows()
            ? StringComparison.OrdinalIgnoreCase
            : StringComparison.Ordinal;
        return path.Equals(root, comparison)
            || path.StartsWith(
                Path.EndsInDirectorySeparator(root) ? root : root + Path.DirectorySeparatorChar,
                comparison
            );
    }

    /// <summary>The full path with every link on the way replaced by what it stands for.</summary>
    public static string RealPath(string path)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        for (int links = 0; links <= MostLinks; links++)
            if (FirstLink(full) is not { } replaced)
                return full;
            else
                full = replaced;
        throw new IOException($"Too many links on the way to '{path}'.");
    }

    /// <summary>The path with its first link replaced; null where it has none.</summary>
    private static string? FirstLink(string full)
    {
        string current = Path.GetPathRoot(full)!;
        string[] parts = full[current.Length..]
            .Split(
                [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar],
                StringSplitOptions.RemoveEmptyEntries
            );
        for (int i = 0; i < parts.Length; i++)
        {
            string next = Path.Combine(current, parts[i]);
            FileSystemInfo info = Directory.Exists(next) ? new DirectoryInfo(next) : new FileInfo(next);
            if (info.LinkTarget is { } target)
                return Path.GetFullPath(Path.Combine([target, .. parts[(i + 1)..]]), current);
            current = next;
        }

        return null;
    }
}
