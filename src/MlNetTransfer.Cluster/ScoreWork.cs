using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using MlNetTransfer.Models;
using MlNetTransfer.Scoring;

namespace MlNetTransfer.Cluster;

/// <summary>Scoring a batch: each shard is what 'score --shard' does.</summary>
internal sealed class ScoreWork : ShardWork
{
    /// <summary>Members that are the shard's or the worker's, and not the job's.</summary>
    private static readonly string[] NotOfTheJob =
    [
        nameof(ScoreOptions.Shard),
        nameof(ScoreOptions.Workers),
        nameof(ScoreOptions.WorkFolder),
        nameof(ScoreOptions.Restart),
        nameof(ScoreOptions.Limit),
    ];

    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(null, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOut } },
    };

    public override string Kind => "score";

    /// <summary>What a submission is in the store.</summary>
    /// <exception cref="TransferException">It cannot be done by a cluster, or a file of it cannot be read.</exception>
    public static JobRecord Record(ScoreSubmission submission, ClusterStore store, DateTimeOffset now)
    {
        ScoreOptions score = Placed(submission.Score, store);
        string[] files =
        [
            score.Model,
            .. score.AlsoModels.Select(also => also.Model).Where(file => file != score.Model).Distinct(),
            .. File.Exists(score.Input) ? [score.Input] : Array.Empty<string>(),
        ];
        string request = JsonSerializer.Serialize(score, Json),
            noted = FileDigests.Note(files),
            output = DatabaseAddress.TryParse(score.Output, out DatabaseAddress? address)
                ? $"table {score.Table} of {address.Name}"
                : score.Output;
        string shards = submission.Shards.ToString(CultureInfo.InvariantCulture);
        return new JobRecord
        {
            Id = JobRecord.IdOf("score", noted, request, shards),
            Kind = "score",
            Request = request,
            Files = noted,
            Title = $"{NameOf(score.Model)} on {NameOf(score.Input)} into {output}",
            Output = output,
            Shards = submission.Shards,
            Tries = submission.Tries,
            Version = ProductVersion.OfPackage,
            By = $"{Environment.UserName}@{Environment.MachineName}",
            Submitted = now,
        };

        static string NameOf(string input) =>
            DatabaseAddress.TryParse(input, out DatabaseAddress? database) ? database.Name : Path.GetFileName(input);
    }

    /// <summary>Opens all that the first shard opens: what is wrong with the job is said before it is stored.</summary>
    /// <exception cref="TransferException">Model, input or output is not as it has to be.</exception>
    public static void Probe(JobRecord job)
    {
        try
        {
            WhileHeld(() => new ScoreJob(OptionsOf(job, 1)).Probe(), CancellationToken.None);
        }
        catch (TransferException e) when (e.Message.Contains("--restart", StringComparison.Ordinal))
        {
            throw new TransferException(
                $"{e.Message} A job of a cluster has no --restart: give another output, or remove what is there by "
                    + "hand.",
                e
            );
        }
    }

    public override string Watch(JobRecord job, int number) =>
        $"Score it alone with 'score --shard {number}/{job.Shards}' on a machine that you watch; the first input "
        + "behind its last row is the one to look at.";

    public override ShardProgress Run(JobRecord job, int number, ShardRun run)
    {
        FileDigests.Require(job.Files);
        ScoreOptions options = OptionsOf(job, number) with { Workers = run.ImagesAtOnce };
        var score = new ScoreJob(options)
        {
            IsPart = true,
            Scorer = passed =>
                KeptScorers.Take(
                    FormattableString.Invariant($"{job.Id} {run.ImagesAtOnce} {string.Join(' ', passed)}"),
                    () => SegmentScorer.Of(options, passed)
                ),
            Committed = state => run.Committed(new ShardProgress(state.Items, state.Rejected)),
            Drain = run.Drain,
        };
        ScoreSummary summary = WhileHeld(() => score.Run(new Totals(run.Total), run.End), run.Drain);
        return new ShardProgress(summary.Rows, summary.Rejected);
    }

    /// <summary>The output of a shard: "out.csv" becomes "out.00003-of-00016.csv"; a database stays.</summary>
    public static string OutputOf(string output, int number, int count)
    {
        if (DatabaseAddress.TryParse(output, out _))
            return output;
        string part = string.Create(CultureInfo.InvariantCulture, $".{number:d5}-of-{count:d5}");
        return Path.Combine(
            Path.GetDirectoryName(output)!,
            Path.GetFileNameWithoutExtension(output) + part + Path.GetExtension(output)
        );
    }

    private static ScoreOptions OptionsOf(JobRecord job, int number)
    {
        try
        {
            ScoreOptions score = JsonSerializer.Deserialize<ScoreOptions>(job.Request, Json)!;
            return score with
            {
                Output = OutputOf(score.Output, number, job.Shards),
                Shard = new Shard(number, job.Shards),
            };
        }
        catch (JsonException e)
        {
            throw new TransferException(
                $"Job {job.Id}, submitted by version {job.Version}, cannot be read by version "
                    + $"{ProductVersion.OfPackage}: {e.Message} Start a worker of version {job.Version}.",
                e
            );
        }
    }

    /// <summary>The options with paths that mean the same on every machine.</summary>
    private static ScoreOptions Placed(ScoreOptions score, ClusterStore store)
    {
        if (score.Input == "-")
            throw new TransferException(
                "The input is '-', standard input, which other machines cannot read. Write the paths to a .txt file "
                    + "on a shared folder and give that."
            );
        if (score.Restart || score.Shard is not null || score.Limit is not null)
            throw new TransferException(
                "A job of a cluster is cut into shards that go on where they stopped: restart, shard and limit are "
                    + "for 'score' alone. Leave them out."
            );
        bool isInput = DatabaseAddress.TryParse(score.Input, out DatabaseAddress? input),
            isOutput = DatabaseAddress.TryParse(score.Output, out DatabaseAddress? output);
        foreach (DatabaseAddress? address in (DatabaseAddress?[])[input, output])
            if (address is PostgresAddress { HasPassword: true })
                throw new TransferException(
                    $"The address of {address.Name} has the password in it, which would stand readable in the store. "
                        + "Leave it out, and give it to every worker in PGPASSWORD or a .pgpass file."
                );
        if (output is SqliteAddress && store.IsShared)
            throw new TransferException(
                $"The output is {output.Name}, a file of SQLite, which workers on several machines cannot write to; "
                    + $"the store is {store.Name}. Give postgres://…, or a .csv, .jsonl or .parquet file on a shared "
                    + "folder; or take a sqlite: store, for one machine."
            );
        return score with
        {
            Model = ModelRegistry.Everywhere(score.Model),
            AlsoModels =
            [
                .. score.AlsoModels.Select(also => new AlsoModel(also.Name, ModelRegistry.Everywhere(also.Model))),
            ],
            Input = isInput || ObjectStores.IsAddress(score.Input) ? score.Input : Path.GetFullPath(score.Input),
            Output = isOutput ? score.Output : Path.GetFullPath(score.Output),
        };
    }

    private static void LeaveOut(JsonTypeInfo type)
    {
        if (type.Type != typeof(ScoreOptions))
            return;
        foreach (JsonPropertyInfo member in type.Properties.ToArray())
            if (NotOfTheJob.Contains(member.Name))
                type.Properties.Remove(member);
    }

    /// <summary>Picks from progress how many rows there are.</summary>
    private sealed class Totals(Action<long>? told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Stage == "Scoring" && value.Total > 0)
                told?.Invoke(value.Total);
        }
    }
}

/// <summary>A batch to score in shards by any workers. Immutable; an invalid instance cannot be made.</summary>
public sealed record ScoreSubmission
{
    /// <summary>Most shards of a job.</summary>
    public const int MostShards = 10_000;

    /// <summary>
    /// The batch. Paths must mean the same on every machine. Of files, each shard writes its own:
    /// "out.00003-of-00016.csv"; into a database, all write to one table. <see cref="ScoreOptions.MaxErrors"/> and
    /// <see cref="ScoreOptions.RateLimit"/> count for each shard.
    /// </summary>
    public required ScoreOptions Score { get; init; }

    /// <summary>How many shards, in [1, 10000].</summary>
    public required int Shards
    {
        get;
        init => field = Check.InRange(value, 1, MostShards);
    }

    /// <summary>How often a shard is tried before it is parked with its error, in [1, 100]. Default 3.</summary>
    public int Tries
    {
        get;
        init => field = Check.InRange(value, 1, 100);
    } = 3;
}
