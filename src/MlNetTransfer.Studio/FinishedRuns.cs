using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using MlNetTransfer.Reports;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Studio;

/// <summary>A run that is over, by its report.json.</summary>
/// <param name="Name">Name of its folder.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Accuracy">Accuracy on images held out, in [0, 1].</param>
/// <param name="Low">Lower end of its 95 % interval.</param>
/// <param name="High">Upper end.</param>
/// <param name="Images">Images that it was judged by.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Strategy">How it was trained.</param>
/// <param name="Finished">When.</param>
internal sealed record FinishedRunRow(
    string Name,
    string Folder,
    double Accuracy,
    double Low,
    double High,
    int Images,
    int Classes,
    string Strategy,
    DateTime Finished
)
{
    /// <summary>The model.</summary>
    public string Model => Path.Combine(Folder, "model.onnx");

    /// <summary>The page about it.</summary>
    public string Report => Path.Combine(Folder, HtmlReport.FileName);
}

/// <summary>The runs in the output folder.</summary>
internal sealed partial class FinishedRuns(StudioOptions options)
{
    private const string ReportName = "report.json";

    private readonly ConcurrentDictionary<(string Name, DateTime Written), FinishedRunRow> read = [];

    /// <summary>All that are over, the newest first.</summary>
    public IReadOnlyList<FinishedRunRow> All() =>
        Directory.Exists(options.Output)
            ?
            [
                .. Directory
                    .EnumerateDirectories(options.Output)
                    .Select(d => Find(Path.GetFileName(d)))
                    .OfType<FinishedRunRow>()
                    .OrderByDescending(r => r.Finished),
            ]
            : [];

    /// <summary>The folder of the runs, where it really is.</summary>
    public string Folder => StudioRoots.RealPath(options.Output);

    /// <summary>The job file of a run that was begun here.</summary>
    public string JobOf(string name) => Path.Combine(options.Output, ".jobs", $"{name}.yaml");

    /// <summary>Names of runs that were begun here and are not over.</summary>
    public IReadOnlyList<string> Unfinished()
    {
        string jobs = Path.Combine(options.Output, ".jobs");
        return Directory.Exists(jobs)
            ?
            [
                .. Directory
                    .EnumerateFiles(jobs, "*.yaml")
                    .Select(file => Path.GetFileNameWithoutExtension(file))
                    .Where(name => IsName(name) && IsUnfinished(Path.Combine(options.Output, name), JobOf(name)))
                    .Order(StringComparer.Ordinal),
            ]
            : [];
    }

    /// <summary>A folder without a report, with the job file that was begun here or none yet.</summary>
    private static bool IsUnfinished(string folder, string job)
    {
        string copy = Path.Combine(folder, JobTemplate.FileName);
        try
        {
            return Directory.Exists(folder)
                && !File.Exists(Path.Combine(folder, ReportName))
                && (
                    File.Exists(copy)
                        ? File.ReadAllBytes(copy).AsSpan().SequenceEqual(File.ReadAllBytes(job))
                        : File.Exists(Path.Combine(folder, "log.txt"))
                );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Removes what an unfinished run has left.</summary>
    /// <exception cref="TransferException">There is no such run, or it is being done.</exception>
    public void Remove(string name)
    {
        if (!Unfinished().Contains(name))
            throw new TransferException($"There is no unfinished run '{name}'.");
        string folder = Path.Combine(options.Output, name);
        // Another process may be at it, a 'mlnet-transfer run' of the same folder.
        using (OutputLock.OfFile(Path.Combine(folder, JobTemplate.FileName)))
        using (OutputLock.OfFolder(folder)) { }

        Directory.Delete(folder, recursive: true);
        File.Delete(JobOf(name));
    }

    /// <summary>Files of a run that can be taken along, by name.</summary>
    public static IReadOnlyList<string> FilesOf(FinishedRunRow run) =>
        [
            .. Directory
                .EnumerateFiles(run.Folder)
                .Select(f => Path.GetFileName(f))
                .Where(f => FileName().IsMatch(f))
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>The run of a name; null where there is none that is over.</summary>
    public FinishedRunRow? Find(string name)
    {
        if (!IsName(name))
            return null;
        string folder = Path.Combine(options.Output, name),
            report = Path.Combine(folder, ReportName);
        try
        {
            if (!File.Exists(report) || !File.Exists(Path.Combine(folder, "model.onnx")))
                return null;
            DateTime written = File.GetLastWriteTime(report);
            if (read.TryGetValue((name, written), out FinishedRunRow? known))
                return known;
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(report));
            JsonElement root = document.RootElement,
                interval = root.GetProperty("accuracyInterval");
            return read[(name, written)] = new FinishedRunRow(
                name,
                folder,
                root.GetProperty("accuracy").GetDouble(),
                interval[0].GetDouble(),
                interval[1].GetDouble(),
                root.GetProperty("testImages").GetInt32(),
                root.GetProperty("perClass").GetArrayLength(),
                root.GetProperty("strategy").GetString() ?? "",
                written
            );
        }
        catch (Exception e)
            when (e
                    is IOException
                        or UnauthorizedAccessException
                        or JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or IndexOutOfRangeException
            )
        {
            return null;
        }
    }

    /// <summary>Where the images of a run are; null where its report does not say.</summary>
    /// <exception cref="TransferException">The report cannot be read.</exception>
    public static string? ImagesOf(FinishedRunRow run)
    {
        string report = Path.Combine(run.Folder, ReportName);
        return RunDocument.Parse(File.ReadAllText(report), report).Request()?.Folder;
    }

    /// <summary>Whether a run may be called so: what is a folder's name on every system.</summary>
    public static bool IsName(string name) => Name().IsMatch(name) && !IsReserved(name);

    /// <summary>Whether a name is that of a device on Windows.</summary>
    public static bool IsReserved(string name) => Reserved().IsMatch(name);

    /// <summary>Where a new run writes.</summary>
    /// <exception cref="TransferException">The name cannot be a folder's, or is taken.</exception>
    public string NewFolder(string name)
    {
        if (!IsName(name))
            throw new TransferException(
                $"'{name}' cannot be the name of a run: letters, digits, '-' and '_' can, up to 60 of them."
            );
        string folder = Path.Combine(options.Output, name);
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any())
            return folder;
        throw new TransferException(
            Find(name) is null
                ? $"An unfinished run '{name}' is there. Go on with it, choose another name, or remove '{folder}'."
                : $"There is a run '{name}' already. Choose another name."
        );
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,59}\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\.(onnx|json|jsonl|csv|yaml|html|txt|pt|dat|cs|safetensors)\z")]
    private static partial Regex FileName();

    [GeneratedRegex(@"\A(con|prn|aux|nul|com\d|lpt\d)\z", RegexOptions.IgnoreCase)]
    private static partial Regex Reserved();
}
