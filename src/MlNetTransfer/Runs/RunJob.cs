using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Runs;

/// <summary>A job file to run. Immutable; an invalid instance cannot be made.</summary>
public sealed record RunOptions
{
    /// <summary>The job file.</summary>
    public required string Job
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Folder of the run; new, or that of an earlier run of the same job file.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// The lock.json of an earlier run: whatever differs from it ends the run before anything is trained, and the
    /// model has to be equal byte for byte. Default null: none.
    /// </summary>
    public string? Locked
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Whether other processes train folds of it, see <see cref="RunJob.TrainFolds"/>; for a training of the network
    /// that is judged by folds. The model is the same byte for byte. Default false.
    /// </summary>
    public bool SharesFolds { get; init; }

    /// <summary>
    /// Whether to go on from the checkpoints of an interrupted run of the same job file in the same folder; for a
    /// training of the network. Default false.
    /// </summary>
    public bool Resume { get; init; }
}

/// <summary>
/// Runs a job file: trains, judges the model by the gates, exports it where they hold, and leaves a folder that says
/// all of it: job.yaml, job.resolved.json (every option), lock.json (what the bytes depend on), run.json (what came of
/// it), log.txt, and what a training leaves.
/// </summary>
/// <param name="options">The run.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class RunJob(RunOptions options, JobServices? services = null) : IJob<RunSummary>
{
    private const string JobCopy = "job.yaml",
        LockFile = "lock.json",
        Report = "run.json";

    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the run; a model that was there stays.</param>
    /// <exception cref="TransferException">The job file, its data or the folder are not as they have to be, or
    /// something differs from what is locked; the message names it and the fix.</exception>
    public RunSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        JobFile job = JobFile.Read(options.Job, options.Output);
        byte[] written = File.ReadAllBytes(options.Job);
        RunLock? locked = options.Locked is { } file ? RunLock.Read(file) : null;
        if (job.Train.Unlabelled is { } unlabelled)
            RequireThere("train.unlabelled", unlabelled, "images without labels: a folder, a list or a .zip");
        RequireModelInUse(job.Gates);
        OutputFolder.RequireWritable(options.Output);
        RequireOwnFolder(written);
        OutputLock.MakeFolder(options.Output);
        using OutputLock held = OutputLock.OfFile(In(JobCopy));
        using var log = new RunLog(In("log.txt"), progress, services);
        RunLock now = RunLock.Of(job.Train, services.Catalog, log, cancellation);
        RequireAsLocked(now, locked);
        Write(JobCopy, written);
        Write("job.resolved.json", Encoding.UTF8.GetBytes(job.ToJson()));
        TrainSummary trained = new TrainJob(
            options.Resume ? job.Train with { Resume = true } : job.Train,
            services with
            {
                Command = services.Command ?? $"mlnet-transfer run {options.Job}",
                OnEpoch = log.OnEpoch,
                SharesFolds = options.SharesFolds,
            }
        ).Run(log, cancellation);
        now = now with { Model = trained.ModelSha256 };
        Write(LockFile, Encoding.UTF8.GetBytes(now.ToJson()));
        List<GateResult> gates = [.. job.Gates.Judge(trained, log, cancellation)];
        if (locked?.Model is { } expected)
            gates.Add(SameModel(trained.ModelSha256, expected));
        foreach (GateResult gate in gates)
            log.Line($"gate {gate.Gate} {(gate.Holds ? "holds" : "FAILS")}: {gate.Found}");
        RunSummary summary = Summary([]);
        Write(Report, Encoding.UTF8.GetBytes(summary.ToJson()));
        if (summary.Holds && job.Exports.Count > 0)
        {
            summary = Summary([.. job.Exports.Select(export => Export(export, trained, log, cancellation))]);
            Write(Report, Encoding.UTF8.GetBytes(summary.ToJson()));
        }

        log.Line($"model {trained.ModelSha256}");
        if (options.SharesFolds)
            SharedFold.Remove(options.Output);
        return summary;

        RunSummary Summary(IReadOnlyList<ExportSummary> exports) =>
            new(trained)
            {
                Folder = options.Output,
                Gates = gates,
                Exports = exports,
                Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
            };
    }

    /// <summary>Looks whether the job can be run, without reading an image.</summary>
    /// <param name="sharesFolds">Whether it must have folds that several processes can train.</param>
    /// <returns>The job.</returns>
    /// <exception cref="TransferException">The job file is not as it has to be, or the images to train on, the model in
    /// use or the images to judge by are not there; the message names it and the fix.</exception>
    public JobFile Check(bool sharesFolds = false)
    {
        JobFile job = JobFile.Read(options.Job, options.Output);
        if (TrainRules.Violation(job.Train, []) is { } violation)
            throw new TransferException($"{options.Job}: {violation}");
        RequireThere("train.folder", job.Train.Folder, "the labelled images: a folder, a list or a .zip");
        RequireModelInUse(job.Gates);
        if (sharesFolds && (job.Train.Strategy.Network is null || job.Train.TestFraction is not null))
            throw new TransferException(
                $"{options.Job}: there are no folds to share, since "
                    + (
                        job.Train.Strategy.Network is null
                            ? $"the strategy is {job.Train.Strategy.Label}, which takes seconds"
                            : "train.testFraction holds out one part"
                    )
                    + ". One worker is enough: leave --shards out."
            );
        return job;
    }

    /// <summary>
    /// Trains folds of a run that another process does, or will do, with <see cref="RunOptions.SharesFolds"/>, the same
    /// job file and folder: each that no other process is at. Ends when nothing is left to do.
    /// </summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends it; another process goes on from the last epoch.</param>
    /// <returns>How many trainings were done here.</returns>
    /// <exception cref="TransferException">The job has no folds that take time, or is not as it has to be; the message
    /// says what to do.</exception>
    public int TrainFolds(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        JobFile job = JobFile.Read(options.Job, options.Output);
        OutputFolder.RequireWritable(options.Output);
        RequireOwnFolder(File.ReadAllBytes(options.Job));
        // The report is of an earlier run, until it is written anew.
        DateTime? before = Reported();
        if (before is not null && File.Exists(In(LockFile)))
        {
            var now = RunLock.Of(job.Train, services.Catalog, progress, cancellation);
            if (now.Differences(RunLock.Read(In(LockFile))).Count == 0)
                return 0;
        }

        var train = new TrainJob(job.Train, services with { SharesFolds = true });
        return train.TrainFolds(() => Reported() != before, progress, cancellation);

        DateTime? Reported() => File.Exists(In(Report)) ? File.GetLastWriteTimeUtc(In(Report)) : null;
    }

    private string In(string name) => Path.Combine(options.Output, name);

    private void Write(string name, byte[] content) => AtomicFile.Write(In(name), stream => stream.Write(content));

    /// <summary>The exports of a run are its own to replace.</summary>
    private ExportSummary Export(
        ExportOptions export,
        TrainSummary trained,
        IProgress<JobProgress> progress,
        CancellationToken cancellation
    ) => new ExportJob(export with { Model = trained.Model, Overwrite = true }, services).Run(progress, cancellation);

    private static GateResult SameModel(string found, string expected) =>
        new(
            "locked",
            found == expected,
            found == expected
                ? $"the model is that of the lock, {found[..12]}…"
                : $"the model is {found[..12]}…, and that of the lock is {expected[..12]}…, although nothing that is "
                    + "locked differs: was there a time budget?"
        );

    private void RequireThere(string member, string path, string expected)
    {
        if (!Directory.Exists(path) && !File.Exists(path))
            throw new TransferException($"{options.Job}: {member} is '{path}', which is not there. Give {expected}.");
    }

    private void RequireModelInUse(QualityGates gates)
    {
        if (gates.NotWorseThan?.Images is { } images)
            RequireThere("gates.notWorseThan.images", images, "labelled images to judge both models by");
        if (gates.NotWorseThan is { } current && !File.Exists(current.Model))
            throw new TransferException(
                $"gates.notWorseThan: there is no model '{current.Model}'. Give the model in use; for the first one "
                    + "leave the gate out."
            );
    }

    private void RequireAsLocked(RunLock now, RunLock? locked)
    {
        if (locked is not null && now.Differences(locked) is { Count: > 0 } differences)
            throw new TransferException(
                $"This run would not be that of '{options.Locked}': {string.Join("; ", differences)}. Bring them back "
                    + "to what is locked, or run without --locked."
            );
    }

    /// <summary>A folder with a model has the runs of one job file: nothing in it is of another.</summary>
    private void RequireOwnFolder(byte[] written)
    {
        string copy = In(JobCopy);
        if (!File.Exists(In("model.onnx")))
            return;
        if (File.Exists(copy) && !File.ReadAllBytes(copy).AsSpan().SequenceEqual(written))
            throw new TransferException(
                $"'{options.Output}' has the run of another job file, or of an earlier version of this one. Give "
                    + "another --output."
            );
        if (!File.Exists(copy))
            throw new TransferException(
                $"'{options.Output}' has a model that no job file made. Give another --output."
            );
    }
}

/// <summary>What came of a job file.</summary>
public sealed record RunSummary
{
    internal RunSummary(TrainSummary training) => Training = training;

    /// <summary>Folder of the run.</summary>
    public required string Folder { get; init; }

    /// <summary>Whether all gates hold; without gates true.</summary>
    public bool Holds => Gates.All(gate => gate.Holds);

    /// <summary>The gates that were asked for.</summary>
    public required IReadOnlyList<GateResult> Gates { get; init; }

    /// <summary>What was exported; nothing where a gate does not hold.</summary>
    public required IReadOnlyList<ExportSummary> Exports { get; init; }

    /// <summary>The training; report.json has it.</summary>
    [JsonIgnore]
    public TrainSummary Training { get; }

    /// <summary>Accuracy of the model, in [0, 1].</summary>
    public double Accuracy => Training.Accuracy;

    /// <summary>95 % interval of that [low, high].</summary>
    public IReadOnlyList<double> AccuracyInterval => Training.IntervalWithChoice;

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public string ModelSha256 => Training.ModelSha256;

    /// <summary>Wall time in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>The summary as run.json has it.</summary>
    public string ToJson() => ReportFile.Text(this) + "\n";
}

/// <summary>Writes down when each stage of a run began, with its epochs and notes. Thread-safe.</summary>
internal sealed class RunLog : IProgress<JobProgress>, IDisposable
{
    private readonly IProgress<JobProgress>? next;
    private readonly JobServices services;
    private readonly Lock gate = new();
    private readonly StreamWriter writer;
    private string stage = "";

    /// <param name="path">The log; lines are added to one that is there.</param>
    /// <param name="next">Told all of it, too.</param>
    /// <param name="services">Clock, and who else is told of epochs.</param>
    public RunLog(string path, IProgress<JobProgress>? next, JobServices services)
    {
        (this.next, this.services) = (next, services);
        writer = new StreamWriter(path, append: true) { AutoFlush = true };
    }

    public void Report(JobProgress value)
    {
        next?.Report(value);
        lock (gate)
        {
            if (value.Stage == stage)
                return;
            stage = value.Stage;
        }

        Line(value.Stage);
    }

    /// <summary>Adds a line.</summary>
    public void Line(string text)
    {
        lock (gate)
            writer.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{services.Clock.GetUtcNow():yyyy-MM-dd HH:mm:ss}Z {text}")
            );
    }

    public void OnEpoch(EpochResult epoch)
    {
        Line($"epoch {JsonSerializer.Serialize(epoch)}");
        services.OnEpoch?.Invoke(epoch);
    }

    public void Dispose() => writer.Dispose();
}
