using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cluster;

/// <summary>
/// A search for the best recipe: each shard is a process that searches along (<see cref="TuneOptions.Together"/>), and
/// all end when everything is tried.
/// </summary>
internal sealed class TuneWork : ShardWork
{
    public override string Kind => "tune";

    /// <summary>What a submission is in the store.</summary>
    /// <exception cref="TransferException">The training is not as it has to be.</exception>
    public static JobRecord Record(TuneSubmission submission, DateTimeOffset now)
    {
        TrainOptions train = submission.Search.Train;
        TuneOptions tune = submission.Search with
        {
            Together = true,
            Train = train with
            {
                Folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(train.Folder)),
                Output = Path.TrimEndingDirectorySeparator(Path.GetFullPath(train.Output)),
                Workers = new ExecutionPlan().Workers,
                FineTune = train.FineTune.InitialWeights is { } weights
                    ? train.FineTune with
                    {
                        InitialWeights = Path.GetFullPath(weights),
                    }
                    : train.FineTune,
            },
        };
        TuneJob.Require(tune);
        if (TrainRules.Violation(tune.Train) is { } violation)
            throw new TransferException(violation);
        string[] files =
        [
            .. new[] { tune.Train.Folder, tune.Train.FineTune.InitialWeights }.OfType<string>().Where(File.Exists),
        ];
        string request = tune.ToJson(),
            noted = FileDigests.Note(files);
        return new JobRecord
        {
            Id = JobRecord.IdOf("tune", noted, request),
            Kind = "tune",
            Request = request,
            Files = noted,
            Title = FormattableString.Invariant(
                $"{tune.Trials} recipes on {Path.GetFileName(tune.Train.Folder)} into {tune.Train.Output}"
            ),
            Output = tune.Train.Output,
            Shards = submission.Shards,
            Tries = submission.Tries,
            Version = ProductVersion.OfPackage,
            By = $"{Environment.UserName}@{Environment.MachineName}",
            Submitted = now,
        };
    }

    public override ShardProgress Run(JobRecord job, int number, ShardRun run)
    {
        FileDigests.Require(job.Files);
        var options = (TuneOptions)JobRequest.FromJson(job.Request);
        run.Committed(default);
        // All see all trials; they are counted once, by whoever has the first shard.
        var told = new Told(number == 1 ? run : run with { Committed = _ => run.Committed(default), Total = null });
        var tune = new TuneJob(options with { Train = options.Train with { Workers = run.ImagesAtOnce } });
        int trials = tune.Run(told, run.Drain).Trials.Count;
        return new ShardProgress(number == 1 ? trials : 0, 0);
    }

    private sealed class Told(ShardRun run) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Stage != TuneJob.Stage)
                return;
            run.Total?.Invoke(value.Total);
            run.Committed(new ShardProgress(value.Done, 0));
        }
    }
}

/// <summary>
/// A search for the best recipe of a training, for any workers. Immutable; an invalid instance cannot be made.
/// </summary>
public sealed record TuneSubmission
{
    /// <summary>
    /// The search. Its images and output folder must be at the same path on every machine;
    /// <see cref="DataJobRequest.Workers"/> of its training is that of each worker.
    /// </summary>
    public required TuneOptions Search { get; init; }

    /// <summary>How many workers may search at the same time, in [1, 1000].</summary>
    public required int Shards
    {
        get;
        init => field = Check.InRange(value, 1, 1000);
    }

    /// <summary>How often a shard is tried before it is parked with its error, in [1, 100]. Default 3.</summary>
    public int Tries
    {
        get;
        init => field = Check.InRange(value, 1, 100);
    } = 3;
}
