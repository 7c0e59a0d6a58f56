using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Studio;

/// <summary>
/// Small pictures of images: kept in memory while there is room, and in files beside the runs, so that a folder is
/// fluid at once when it is opened again. Thread-safe.
/// </summary>
internal sealed class Thumbnails : IDisposable
{
    private const int Side = 192,
        MostKept = 4000;

    private readonly ConcurrentDictionary<(string Path, long Written), byte[]> kept = [];
    private readonly ConcurrentBag<ThumbnailDecoder> decoders = [];
    private readonly SemaphoreSlim cores = new(Environment.ProcessorCount);
    private readonly StudioRoots roots;
    private readonly StudioData studio;
    private readonly string folder;
    private CancellationTokenSource preparing = new();

    public Thumbnails(StudioRoots roots, StudioData studio, StudioOptions options)
    {
        (this.roots, this.studio) = (roots, studio);
        folder = Path.Combine(options.Output, ".thumbnails");
        studio.Opened += Prepare;
    }

    /// <summary>A JPEG of an image; null where it may not be looked at, or cannot be decoded.</summary>
    public async Task<byte[]?> OfAsync(string file, CancellationToken cancellation)
    {
        if (roots.Find(file) is not { } path || !File.Exists(path))
            return null;
        (string, long) key = (path, File.GetLastWriteTimeUtc(path).Ticks);
        if (kept.TryGetValue(key, out byte[]? known))
            return known;
        string cached = CachedAs(key);
        byte[]? found = await ReadAsync(cached, cancellation) ?? await MakeAsync(path, cached, cancellation);
        if (found is null)
            return null;
        if (kept.Count >= MostKept)
            kept.Clear();
        return kept[key] = found;
    }

    public void Dispose()
    {
        studio.Opened -= Prepare;
        preparing.Cancel();
        foreach (ThumbnailDecoder decoder in decoders)
            decoder.Dispose();
        cores.Dispose();
        preparing.Dispose();
    }

    /// <summary>Makes the pictures of a data set while nobody waits for them, one at a time.</summary>
    private void Prepare(OpenedData data)
    {
        CancellationTokenSource mine = new(),
            before = Interlocked.Exchange(ref preparing, mine);
        before.Cancel();
        CancellationToken cancellation = mine.Token;
        _ = Task.Run(
            async () =>
            {
                foreach (DataItem item in data.Set.Items)
                {
                    if (cancellation.IsCancellationRequested)
                        return;
                    if (item.Location is not FileLocation file || roots.Find(file.Path) is not { } path)
                        continue;
                    try
                    {
                        string cached = CachedAs((path, File.GetLastWriteTimeUtc(path).Ticks));
                        if (!File.Exists(cached))
                            await MakeAsync(path, cached, cancellation);
                    }
                    catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or IOException)
                    {
                        // They are made when they are looked at.
                        return;
                    }
                }
            },
            cancellation
        );
    }

    private string CachedAs((string Path, long Written) image)
    {
        string name = Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{image.Written} {image.Path}")))
        );
        return Path.Combine(folder, name[..2], $"{name[2..34]}.jpg");
    }

    private static async Task<byte[]?> ReadAsync(string cached, CancellationToken cancellation)
    {
        try
        {
            return File.Exists(cached) ? await File.ReadAllBytesAsync(cached, cancellation) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private async Task<byte[]?> MakeAsync(string path, string cached, CancellationToken cancellation)
    {
        await cores.WaitAsync(cancellation);
        try
        {
            byte[]? made = await Task.Run(() => Make(path, cancellation), cancellation);
            if (made is not null)
                Keep(cached, made);
            return made;
        }
        finally
        {
            cores.Release();
        }
    }

    private static void Keep(string cached, byte[] made)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(cached)!);
            string part = $"{cached}.{Guid.NewGuid():N}";
            File.WriteAllBytes(part, made);
            File.Move(part, cached, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk costs time, no more.
        }
    }

    private byte[]? Make(string path, CancellationToken cancellation)
    {
        if (!decoders.TryTake(out ThumbnailDecoder? decoder))
            decoder = new ThumbnailDecoder(Side);
        try
        {
            return Jpeg(path, decoder, cancellation);
        }
        finally
        {
            decoders.Add(decoder);
        }
    }

    /// <summary>An image file as a JPEG; null where it cannot be shown.</summary>
    public static byte[]? Jpeg(string file, ThumbnailDecoder decoder, CancellationToken cancellation = default)
    {
        try
        {
            using ItemReader reader = new();
            return RgbEncoder.Encode(
                decoder.Decode(reader.Read(new DataItem(file, file)), cancellation),
                ImageFormat.Jpeg
            );
        }
        catch (Exception e) when (e is ImageRejectedException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
