using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Text.RegularExpressions;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Studio;

/// <summary>
/// Folders and archives that were dropped on the page: their files are put into a folder beside the runs, which is then
/// looked at as any other.
/// </summary>
internal sealed partial class StudioUploads(StudioOptions options)
{
    private const int MostFiles = 200_000,
        MostParts = 12;

    private const long MostBytes = 20L << 30;

    private static readonly int MostOfOne = new ImageLimits().MaxBytes;

    private readonly ConcurrentDictionary<string, Tally> begun = [];

    /// <summary>Where they are put.</summary>
    public string Folder => FolderIn(options);

    /// <summary>Where they are put.</summary>
    public static string FolderIn(StudioOptions options) => Path.Combine(options.Output, ".uploads");

    /// <summary>Begins with a new folder.</summary>
    /// <param name="name">What was dropped.</param>
    /// <returns>Its name.</returns>
    public string Begin(string name)
    {
        string stem = Path.GetFileNameWithoutExtension(name.Replace('\\', '/').Split('/')[^1]),
            plain = Odd().Replace(stem, "-").Trim('-');
        plain = plain.Length == 0 ? "images" : plain[..Math.Min(40, plain.Length)];
        for (int i = 1; ; i++)
        {
            string id = i == 1 ? plain : string.Create(CultureInfo.InvariantCulture, $"{plain}-{i}");
            if (FinishedRuns.IsName(id) && !Directory.Exists(Path.Combine(Folder, id)) && begun.TryAdd(id, new Tally()))
            {
                Directory.CreateDirectory(Path.Combine(Folder, id));
                return id;
            }

            if (!FinishedRuns.IsName(id))
                plain = $"images-{plain}".TrimEnd('-');
            if (i > 10_000)
                throw new TransferException($"There are too many uploads in '{Folder}'. Remove some.");
        }
    }

    /// <summary>Puts a file into it.</summary>
    /// <param name="id">The folder.</param>
    /// <param name="path">Its place in what was dropped, as "photos/cat/1.jpg".</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">There is too much, or the place is none.</exception>
    public async Task AddAsync(string id, string path, Stream content, CancellationToken cancellation)
    {
        Tally tally = Of(id);
        if (!IsWanted(path))
            return;
        if (Place(path) is not { } place)
            throw new TransferException($"'{path}' is no place within a folder.");
        await tally.One.WaitAsync(cancellation);
        try
        {
            // It may have been given up while this waited.
            _ = Of(id);
            await PutAsync(tally, Path.Combine(Folder, id, place), path, content, cancellation);
        }
        finally
        {
            tally.One.Release();
        }
    }

    /// <summary>Puts what an archive has into it. Archives within it are left alone.</summary>
    /// <param name="id">The folder.</param>
    /// <param name="archive">The archive, a .zip.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">It is no archive, or holds too much.</exception>
    public async Task UnpackAsync(string id, Stream archive, CancellationToken cancellation)
    {
        Tally tally = Of(id);
        // The list of an archive stands at its end.
        string copy = Path.Combine(Folder, $"{id}.zip");
        await tally.One.WaitAsync(cancellation);
        try
        {
            _ = Of(id);
            await using (FileStream file = File.Create(copy))
                if (await CopyAsync(archive, file, MostBytes, cancellation) is null)
                    throw TooMuch();
            using ZipArchive zip = ZipFile.OpenRead(copy);
            foreach (ZipArchiveEntry entry in zip.Entries)
            {
                if (entry.FullName.EndsWith('/') || !IsWanted(entry.FullName))
                    continue;
                if (Place(entry.FullName) is not { } place)
                {
                    tally.LeftOut++;
                    continue;
                }

                await using Stream content = entry.Open();
                await PutAsync(tally, Path.Combine(Folder, id, place), entry.FullName, content, cancellation);
            }
        }
        catch (InvalidDataException e)
        {
            throw new TransferException($"The archive cannot be read: {e.Message} A .zip was expected.", e);
        }
        finally
        {
            File.Delete(copy);
            tally.One.Release();
        }
    }

    /// <summary>Ends it.</summary>
    /// <returns>The folder with the classes, and how many files were left out: they are too large, or their
    /// names are none.</returns>
    /// <exception cref="TransferException">No image came.</exception>
    public (string Folder, int LeftOut) Finish(string id)
    {
        Tally tally = Of(id);
        begun.TryRemove(id, out _);
        string folder = Path.Combine(Folder, id);
        if (tally.Files == 0)
        {
            Directory.Delete(folder, recursive: true);
            throw new TransferException(
                "There was no image in what was dropped: a folder for each class was expected."
            );
        }

        while (
            Directory.GetFiles(folder).Length == 0
            && Directory.GetDirectories(folder) is [var only]
            && Directory.GetDirectories(only).Length > 0
        )
            folder = only;
        return (folder, tally.LeftOut);
    }

    /// <summary>Gives it up; nothing is left.</summary>
    public async Task ForgetAsync(string id)
    {
        if (!begun.TryRemove(id, out Tally? tally))
            return;
        await tally.One.WaitAsync();
        try
        {
            Remove(id);
        }
        finally
        {
            tally.One.Release();
        }
    }

    /// <summary>Removes one that has ended, since nobody can use it.</summary>
    public void Remove(string id)
    {
        if (Directory.Exists(Path.Combine(Folder, id)))
            Directory.Delete(Path.Combine(Folder, id), recursive: true);
    }

    /// <summary>A place within a folder, by the rules of every system; null where it is none.</summary>
    internal static string? Place(string path)
    {
        string[] parts = path.Replace('\\', '/').Split('/', StringSplitOptions.RemoveEmptyEntries);
        return
            parts.Length is > 0 and <= MostParts
            && !path.StartsWith('/')
            && parts.All(p =>
                p.Length <= 200
                && p is not ("." or "..")
                && !p.Any(c => char.IsControl(c) || c is ':' or '*' or '?' or '"' or '<' or '>' or '|')
                && !p.EndsWith('.')
                && !p.EndsWith(' ')
                && !FinishedRuns.IsReserved(p.Split('.')[0])
            )
            ? Path.Combine(parts)
            : null;
    }

    /// <summary>Not what systems put beside images.</summary>
    private static bool IsWanted(string path) =>
        !path.Split('/', '\\')
            .Any(p => (p.StartsWith('.') && p is not ("." or "..")) || p is "__MACOSX" or "Thumbs.db");

    private Tally Of(string id) =>
        begun.TryGetValue(id, out Tally? tally)
            ? tally
            : throw new TransferException($"No upload '{id}' has begun, or it has ended.");

    private static async Task PutAsync(
        Tally tally,
        string file,
        string name,
        Stream content,
        CancellationToken cancellation
    )
    {
        if (tally.Files + tally.LeftOut >= MostFiles)
            throw new TransferException($"There are more than {MostFiles} files. Name the folder instead.");
        if (File.Exists(file))
            throw new TransferException($"'{name}' came twice.");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        try
        {
            await using (FileStream target = new(file, FileMode.CreateNew, FileAccess.Write))
            {
                // One that is too large for an image is left out; the others are not to be lost for it.
                long left = Math.Max(0, MostBytes - tally.Bytes);
                if (await CopyAsync(content, target, Math.Min(MostOfOne, left), cancellation) is { } copied)
                {
                    tally.Bytes += copied;
                    tally.Files++;
                    return;
                }

                if (left < MostOfOne)
                    throw TooMuch();
            }

            File.Delete(file);
            // It was written, too: what an archive can cost is bounded all the same.
            tally.LeftOut++;
            tally.Bytes += MostOfOne;
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    /// <returns>How many bytes; null where there are more than that.</returns>
    private static async Task<long?> CopyAsync(Stream from, Stream to, long most, CancellationToken cancellation)
    {
        byte[] buffer = new byte[1 << 16];
        long copied = 0;
        for (int read; (read = await from.ReadAsync(buffer, cancellation)) > 0; )
        {
            copied += read;
            if (copied > most)
                return null;
            await to.WriteAsync(buffer.AsMemory(0, read), cancellation);
        }

        return copied;
    }

    private static TransferException TooMuch() =>
        new(
            string.Create(
                CultureInfo.InvariantCulture,
                $"There are more than {MostBytes:N0} bytes, which is all that is taken here. Name the folder instead."
            )
        );

    [GeneratedRegex("[^A-Za-z0-9_-]+")]
    private static partial Regex Odd();

    /// <summary>What has come so far.</summary>
    private sealed class Tally
    {
        public SemaphoreSlim One { get; } = new(1);

        public int Files { get; set; }

        public int LeftOut { get; set; }

        public long Bytes { get; set; }
    }
}
