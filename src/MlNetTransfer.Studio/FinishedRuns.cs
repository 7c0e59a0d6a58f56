using System.Text.Json;
using System.Text.RegularExpressions;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;

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

    /// <summary>The run of a name; null where there is none that is over.</summary>
    public FinishedRunRow? Find(string name)
    {
        if (!IsName(name))
            return null;
        string folder = Path.Combine(options.Output, name),
            report = Path.Combine(folder, "report.json");
        try
        {
            if (!File.Exists(report) || !File.Exists(Path.Combine(folder, "model.onnx")))
                return null;
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(report));
            JsonElement root = document.RootElement,
                interval = root.GetProperty("accuracyInterval");
            return new FinishedRunRow(
                name,
                folder,
                root.GetProperty("accuracy").GetDouble(),
                interval[0].GetDouble(),
                interval[1].GetDouble(),
                root.GetProperty("testImages").GetInt32(),
                root.GetProperty("perClass").GetArrayLength(),
                root.GetProperty("strategy").GetString() ?? "",
                File.GetLastWriteTime(report)
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

    /// <summary>Whether a run may be called so: what is a folder's name on every system.</summary>
    public static bool IsName(string name) => Name().IsMatch(name) && !Reserved().IsMatch(name);

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
                ? $"An unfinished run '{name}' is there. Choose another name, or remove '{folder}'."
                : $"There is a run '{name}' already. Choose another name."
        );
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,59}\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"\A(con|prn|aux|nul|com\d|lpt\d)\z", RegexOptions.IgnoreCase)]
    private static partial Regex Reserved();
}

/// <summary>Starts trainings and checks.</summary>
internal sealed class StudioWork(WorkQueue queue, FinishedRuns runs, StudioData studio, StudioOptions options)
{
    /// <summary>What a training is called.</summary>
    public const string Training = "training";

    private readonly Lock gate = new();

    /// <summary>Puts a training into the queue.</summary>
    /// <param name="data">The images, with their corrections.</param>
    /// <param name="name">Name of the run.</param>
    /// <param name="set">Sets options beyond the images and the folder.</param>
    /// <exception cref="TransferException">The name is taken, or an option cannot be followed.</exception>
    public Work Train(OpenedData data, string name, Func<TrainOptions, TrainOptions> set)
    {
        // Two windows may ask at once.
        lock (gate)
            return Add(data, name, set);
    }

    private Work Add(OpenedData data, string name, Func<TrainOptions, TrainOptions> set)
    {
        if (queue.All.Any(w => !w.IsOver && w.What == Training && IsSame(w.Name, name)))
            throw new TransferException($"A run '{name}' waits or is being done. Choose another name.");
        string folder = runs.NewFolder(name);
        string source = data.Path;
        if (data.Corrections.Count > 0)
        {
            source = Path.Combine(options.Output, ".corrections", $"{name}.csv");
            data.Corrections.WriteList(data.Set, source);
        }

        TrainOptions train = set(new TrainOptions { Folder = source, Output = folder });
        return queue.Add(
            name,
            Training,
            (work, progress) =>
            {
                JobServices services = new() { OnEpoch = work.Add };
                TrainSummary summary = new TrainJob(
                    train,
                    options.Catalog is { } catalog ? services with { Catalog = catalog } : services
                ).Run(progress, work.End.Token);
                progress.Report(new JobProgress("Writing the report", 0, 1));
                HtmlReport.Write(
                    FinishedRun.Of(summary),
                    Path.Combine(folder, HtmlReport.FileName),
                    null,
                    work.End.Token
                );
            }
        );
    }

    private static bool IsSame(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    /// <summary>Puts a check of the images into the queue.</summary>
    public Work Check(OpenedData data) =>
        queue.Add(
            Path.GetFileName(data.Path),
            "check",
            (work, progress) =>
            {
                JobServices services = new();
                CheckSummary found = new CheckJob(
                    new CheckOptions { Folder = data.Path },
                    options.Catalog is { } catalog ? services with { Catalog = catalog } : services
                ).Run(progress, work.End.Token);
                studio.Found(data, found.Findings);
            }
        );
}
