using System.Collections.Concurrent;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Studio;

/// <summary>The data set that is looked at, the same in all windows. Thread-safe.</summary>
internal sealed class StudioData(StudioRoots roots, StudioOptions options)
{
    private volatile OpenedData? current;

    /// <summary>Another data set is looked at, or it was corrected.</summary>
    public event Action? Changed;

    /// <summary>The data set; null before one is opened.</summary>
    public OpenedData? Current => current;

    /// <summary>Opens a folder.</summary>
    /// <exception cref="TransferException">It cannot be opened; the message says why.</exception>
    public void Open(string folder)
    {
        string path =
            roots.Find(folder)
            ?? throw new TransferException(
                $"'{folder}' is no folder that the studio may look at. It was started for: "
                    + $"{string.Join(", ", roots.Folders)}."
            );
        if (!Directory.Exists(path))
            throw new TransferException($"'{folder}' is a file; a folder with a folder for each class was expected.");
        Dataset data = DatasetReader.Read(path);
        // What is known of a folder that is opened again stays known.
        current =
            current is { } same && same.Path == path
                ? same with
                {
                    Set = data,
                }
                : new OpenedData(path, data, new Corrections(Path.Combine(options.Output, ".corrections"), path));
        Changed?.Invoke();
    }

    /// <summary>Folders in a folder, to choose from; none where it may not be looked at.</summary>
    public IReadOnlyList<string> FoldersIn(string folder)
    {
        try
        {
            return roots.Find(folder) is { } path && Directory.Exists(path)
                ? [.. Directory.EnumerateDirectories(path).Take(500).Order(StringComparer.Ordinal)]
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Says what class an image is of, null to leave it out.</summary>
    public void Correct(OpenedData data, DataItem item, string? label)
    {
        data.Corrections.Set(item.Name, label, data.Set.ClassNames[item.Label]);
        Changed?.Invoke();
    }

    /// <summary>Findings of a check are there.</summary>
    public void Found(OpenedData data, IReadOnlyList<DataFinding> findings)
    {
        data.Findings = findings;
        if (current is { } now && now.Path == data.Path)
            now.Findings = findings;
        Changed?.Invoke();
    }
}

/// <summary>A data set that is looked at.</summary>
/// <param name="Path">The folder.</param>
/// <param name="Set">Its images.</param>
/// <param name="Corrections">What was mended by hand.</param>
internal sealed record OpenedData(string Path, Dataset Set, Corrections Corrections)
{
    /// <summary>What a check has found; null before one.</summary>
    public IReadOnlyList<DataFinding>? Findings { get; set; }

    /// <summary>The class of an image as it is now; null where it is left out.</summary>
    public string? LabelOf(DataItem item) =>
        Corrections.Of(item.Name) is { } correction ? correction.Label : Set.ClassNames[item.Label];
}

/// <summary>Small pictures of images, kept while there is room. Thread-safe.</summary>
internal sealed class Thumbnails(StudioRoots roots) : IDisposable
{
    private const int Side = 192,
        MostKept = 4000;

    private readonly ConcurrentDictionary<(string Path, long Written), byte[]> kept = [];
    private readonly ConcurrentBag<ThumbnailDecoder> decoders = [];
    private readonly SemaphoreSlim cores = new(Environment.ProcessorCount);

    /// <summary>A JPEG of an image; null where it may not be looked at, or cannot be decoded.</summary>
    public async Task<byte[]?> OfAsync(string file, CancellationToken cancellation)
    {
        if (roots.Find(file) is not { } path || !File.Exists(path))
            return null;
        (string, long) key = (path, File.GetLastWriteTimeUtc(path).Ticks);
        if (kept.TryGetValue(key, out byte[]? known))
            return known;
        await cores.WaitAsync(cancellation);
        try
        {
            byte[]? made = await Task.Run(() => Make(path, cancellation), cancellation);
            if (made is not null)
            {
                if (kept.Count >= MostKept)
                    kept.Clear();
                kept[key] = made;
            }

            return made;
        }
        finally
        {
            cores.Release();
        }
    }

    public void Dispose()
    {
        foreach (ThumbnailDecoder decoder in decoders)
            decoder.Dispose();
        cores.Dispose();
    }

    private byte[]? Make(string path, CancellationToken cancellation)
    {
        if (!decoders.TryTake(out ThumbnailDecoder? decoder))
            decoder = new ThumbnailDecoder(Side);
        try
        {
            using ItemReader reader = new();
            return RgbEncoder.Encode(
                decoder.Decode(reader.Read(new DataItem(path, path)), cancellation),
                ImageFormat.Jpeg
            );
        }
        catch (Exception e) when (e is ImageRejectedException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
        finally
        {
            decoders.Add(decoder);
        }
    }
}
