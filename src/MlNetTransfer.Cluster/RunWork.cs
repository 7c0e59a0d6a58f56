using System.Text.Json;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Cluster;

/// <summary>
/// A training job: its first shard is what 'run' does, others train folds for it (<see cref="RunJob.TrainFolds"/>).
/// </summary>
internal sealed class RunWork : ShardWork
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public override string Kind => "run";

    /// <summary>What a submission is in the store.</summary>
    /// <exception cref="TransferException">The job file is not as it has to be, or cannot be read.</exception>
    public static JobRecord Record(RunOptions run, int shards, int tries, DateTimeOffset now)
    {
        run = run with
        {
            Job = Path.GetFullPath(run.Job),
            Output = Path.GetFullPath(run.Output),
            Locked = run.Locked is { } file ? Path.GetFullPath(file) : null,
            SharesFolds = shards > 1,
        };
        new RunJob(run).Check(sharesFolds: shards > 1);
        string[] files = [run.Job, .. run.Locked is { } locked ? [locked] : Array.Empty<string>()];
        string request = JsonSerializer.Serialize(run, Json),
            noted = FileDigests.Note(files);
        return new JobRecord
        {
            Id = JobRecord.IdOf("run", noted, request),
            Kind = "run",
            Request = request,
            Files = noted,
            Title = $"{Path.GetFileName(run.Job)} into {run.Output}",
            Output = run.Output,
            Shards = shards,
            Tries = tries,
            Version = ProductVersion.OfPackage,
            By = $"{Environment.UserName}@{Environment.MachineName}",
            Submitted = now,
        };
    }

    public override ShardProgress Run(JobRecord job, int number, ShardRun run)
    {
        FileDigests.Require(job.Files);
        run.Committed(default);
        RunOptions options = JsonSerializer.Deserialize<RunOptions>(job.Request, Json)!;
        if (number > 1)
        {
            new RunJob(options).TrainFolds(null, run.Drain);
            return default;
        }

        run.Total?.Invoke(1);
        RunSummary summary = WhileHeld(() => new RunJob(options).Run(null, run.Drain), run.Drain);
        string[] failed = [.. summary.Gates.Where(gate => !gate.Holds).Select(gate => $"{gate.Gate}: {gate.Found}")];
        return failed.Length == 0
            ? new ShardProgress(1, 0)
            : throw new FinalException(
                $"The model of {options.Output} does not pass. {string.Join("; ", failed)}. Nothing was exported; "
                    + $"'mlnet-transfer report {options.Output}' makes the page that says what to mend."
            );
    }
}
