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
    public static JobRecord Record(TuneOptions tune, int shards, int tries, DateTimeOffset now)
    {
        if (tune.Train.Strategy.Network is not null && TrainRules.Violation(tune.Train) is { } violation)
            throw new TransferException(violation);
        tune = tune with
        {
            Together = true,
            Train = tune.Train with
            {
                Folder = Path.GetFullPath(tune.Train.Folder),
                Output = Path.GetFullPath(tune.Train.Output),
            },
        };
        string data = tune.Train.Folder,
            request = tune.ToJson(),
            noted = FileDigests.Note(File.Exists(data) ? [data] : []);
        return new JobRecord
        {
            Id = JobRecord.IdOf("tune", noted, request),
            Kind = "tune",
            Request = request,
            Files = noted,
            Title = FormattableString.Invariant(
                $"{tune.Trials} recipes on {Path.GetFileName(data)} into {tune.Train.Output}"
            ),
            Output = tune.Train.Output,
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
        var options = (TuneOptions)JobRequest.FromJson(job.Request);
        // What there is to do is counted once, whoever does it.
        run.Total?.Invoke(number == 1 ? TuneJob.Trainings(options) : 0);
        long own = 0;
        var tune = new TuneJob(options with { Train = options.Train with { Workers = run.ImagesAtOnce } })
        {
            Tried = _ => run.Committed(new ShardProgress(++own, 0)),
        };
        run.Committed(default);
        tune.Run(null, run.Drain);
        return new ShardProgress(own, 0);
    }
}
