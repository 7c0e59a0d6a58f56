namespace MlNetTransfer;

/// <summary>Something in the cache that is used, and can be removed, as one.</summary>
/// <param name="Kind">The folder that it is in: features, boundary, backbones.</param>
/// <param name="Path">The file or folder.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="LastUsed">When it was read or written last, as far as the file system says, in UTC.</param>
public sealed record CachedItem(string Kind, string Path, long Bytes, DateTime LastUsed);

/// <summary>What removing from the cache did.</summary>
/// <param name="Removed">What is gone, the least recently used first.</param>
/// <param name="KeptBytes">Bytes that are left.</param>
public sealed record CachePruned(IReadOnlyList<CachedItem> Removed, long KeptBytes)
{
    /// <summary>Bytes that are free now.</summary>
    public long FreedBytes => Removed.Sum(item => item.Bytes);
}

/// <summary>
/// What is in the cache, and how it is kept small: the least recently used goes first. All of it can be made again, so
/// that removing costs time only; a job that is at work goes on without. What unfinished batches remember ("scoring")
/// is no part of it.
/// </summary>
public static class CacheContents
{
    private static readonly string[] Kinds = ["features", "boundary", "backbones"];

    /// <summary>Everything in the cache, by kind, the largest first.</summary>
    /// <param name="folder">The cache; null for <see cref="CacheFolder.Root"/>.</param>
    public static IReadOnlyList<CachedItem> List(string? folder = null)
    {
        string root = folder ?? CacheFolder.Root;
        return
        [
            .. Kinds.SelectMany(kind =>
                Items(kind, new DirectoryInfo(System.IO.Path.Combine(root, kind)))
                    .OrderByDescending(item => item.Bytes)
                    .ThenBy(item => item.Path, StringComparer.Ordinal)
            ),
        ];
    }

    /// <summary>Removes what was not used for long, then the least recently used until the rest is small.</summary>
    /// <param name="mostBytes">Bytes that may be left, 0 or more; null for any.</param>
    /// <param name="unusedFor">Removes what was not used for this long; null for nothing.</param>
    /// <param name="folder">The cache; null for <see cref="CacheFolder.Root"/>.</param>
    /// <param name="pretend">Whether to say only what would be removed.</param>
    /// <param name="clock">Says what time it is; null for the system's.</param>
    /// <exception cref="TransferException">Something cannot be removed; the message names it.</exception>
    public static CachePruned Prune(
        long? mostBytes,
        TimeSpan? unusedFor = null,
        string? folder = null,
        bool pretend = false,
        TimeProvider? clock = null
    )
    {
        if (mostBytes is { } most)
            Check.InRange(most, 0, long.MaxValue);
        DateTime before = (clock ?? TimeProvider.System).GetUtcNow().UtcDateTime - (unusedFor ?? TimeSpan.Zero);
        CachedItem[] items = [.. List(folder).OrderBy(item => item.LastUsed)];
        long left = items.Sum(item => item.Bytes);
        List<CachedItem> removed = [];
        foreach (CachedItem item in items)
        {
            bool old = unusedFor is not null && item.LastUsed < before;
            if (!old && left <= (mostBytes ?? long.MaxValue))
                continue;
            if (!pretend)
                Remove(item);
            removed.Add(item);
            left -= item.Bytes;
        }

        return new CachePruned(removed, left);
    }

    /// <summary>Files and folders directly in the folder of a kind, but for locks.</summary>
    private static IEnumerable<CachedItem> Items(string kind, DirectoryInfo folder)
    {
        if (!folder.Exists)
            yield break;
        foreach (FileSystemInfo found in folder.EnumerateFileSystemInfos())
        {
            if (found.Name.EndsWith(".lock", StringComparison.Ordinal))
                continue;
            FileInfo[] files =
                found is DirectoryInfo { LinkTarget: null } below ? below.GetFiles("*", SearchOption.AllDirectories)
                : found is FileInfo file ? [file]
                : [];
            if (files.Length > 0)
                yield return new CachedItem(
                    kind,
                    found.FullName,
                    files.Sum(f => f.Length),
                    files.Max(f => f.LastAccessTimeUtc > f.LastWriteTimeUtc ? f.LastAccessTimeUtc : f.LastWriteTimeUtc)
                );
        }
    }

    private static void Remove(CachedItem item)
    {
        try
        {
            if (Directory.Exists(item.Path))
                Directory.Delete(item.Path, recursive: true);
            else
                File.Delete(item.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{item.Path}' cannot be removed: {e.Message} End the job that uses it, or check its permissions.",
                e
            );
        }
    }
}
