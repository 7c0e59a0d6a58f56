using MlNetTransfer.Advice;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Studio;

/// <summary>The data set that is looked at, the same in all windows. Thread-safe.</summary>
internal sealed class StudioData(StudioRoots roots, StudioOptions options)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Corrections> corrections = new(StringComparer.Ordinal);
    private volatile OpenedData? current;

    /// <summary>Another data set is looked at, or it was corrected.</summary>
    public event Action? Changed;

    /// <summary>A data set was opened.</summary>
    public event Action<OpenedData>? Opened;

    /// <summary>The data set; null before one is opened.</summary>
    public OpenedData? Current => current;

    /// <summary>Opens a folder.</summary>
    /// <exception cref="TransferException">It cannot be opened; the message says why.</exception>
    public void Open(string folder)
    {
        string path = roots.Folder(folder);
        if (StudioRoots.IsWithin(StudioRoots.RealPath(options.Output), path))
            throw new TransferException(
                $"'{folder}' has the runs of this studio in it ('{options.Output}'), which would be taken for images. "
                    + "Start it with an --output outside of that folder."
            );
        Dataset data = DatasetReader.Read(path);
        OpenedData opened;
        lock (gate)
        {
            // All windows write to the same labels.
            if (!corrections.TryGetValue(path, out Corrections? said))
                corrections[path] = said = new Corrections(Path.Combine(options.Output, ".corrections"), path);
            // What is known of a folder that is opened again stays known.
            current = opened =
                current is { } same && same.Path == path ? same with { Set = data } : new OpenedData(path, data, said);
        }

        Opened?.Invoke(opened);
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

    /// <summary>Says what class some images are of, null to leave them out.</summary>
    public void Correct(OpenedData data, IEnumerable<DataItem> items, string? label)
    {
        data.Corrections.Set(items.Select(item => (item.Name, data.Set.ClassNames[item.Label])), label);
        Changed?.Invoke();
    }

    /// <summary>Adds an image outside the data set to it, under a class; null takes it back.</summary>
    public void Label(OpenedData data, string path, string? label)
    {
        data.Corrections.Add(path, label);
        Changed?.Invoke();
    }

    /// <summary>Findings of a check are there.</summary>
    public void Found(OpenedData data, IReadOnlyList<DataFinding> findings) => Tell(data, d => d.Findings = findings);

    /// <summary>What a model says of images without labels is there.</summary>
    public void Asked(OpenedData data, PredictionSummary said) => Tell(data, d => d.Asked = said);

    /// <summary>Advice is there.</summary>
    public void Advised(OpenedData data, TransferAdvice advice) => Tell(data, d => d.Advice = advice);

    /// <summary>The folder may have been opened again since.</summary>
    private void Tell(OpenedData data, Action<OpenedData> what)
    {
        what(data);
        if (current is { } now && now.Path == data.Path)
            what(now);
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

    /// <summary>How to train on it; null before that was asked.</summary>
    public TransferAdvice? Advice { get; set; }

    /// <summary>What a model says of images without labels; null before it was asked.</summary>
    public PredictionSummary? Asked { get; set; }

    /// <summary>What to train on: the folder, or a list of its images as they are now.</summary>
    public string Source => Corrections.SourceOf(Path, Set);

    /// <summary>The classes, those that were made here included.</summary>
    public IReadOnlyList<string> Classes =>
        [
            .. Set.ClassNames,
            .. Corrections
                .Labels.Where(label => !Set.ClassNames.Contains(label, StringComparer.Ordinal))
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>The class of an image as it is now; null where it is left out.</summary>
    public string? LabelOf(DataItem item) =>
        Corrections.Of(item.Name) is { } correction ? correction.Label : Set.ClassNames[item.Label];
}
