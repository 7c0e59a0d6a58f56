using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Quartz;

namespace MlNetTransfer.Cluster;

/// <summary>
/// A job as the store has it: one durable job of Quartz without a trigger, in a group of its own, beside one for each
/// shard. Immutable.
/// </summary>
internal sealed record JobRecord
{
    /// <summary>Name of the job of Quartz that has the record.</summary>
    public const string Name = "job";

    private const int Digits = 12;

    /// <summary>What the job is called; its group.</summary>
    public required string Id { get; init; }

    /// <summary>Kind of work, a name of <see cref="ShardWork"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>What is to be done, as JSON.</summary>
    public required string Request { get; init; }

    /// <summary>Files by their path, each with the SHA-256 that it had when the job was submitted.</summary>
    public required string Files { get; init; }

    /// <summary>In words: what goes where.</summary>
    public required string Title { get; init; }

    /// <summary>Where the results go; no two jobs have the same.</summary>
    public required string Output { get; init; }

    /// <summary>How many shards.</summary>
    public required int Shards { get; init; }

    /// <summary>How often a shard is tried before it is parked.</summary>
    public required int Tries { get; init; }

    /// <summary>Version of the library that the job was submitted with.</summary>
    public required string Version { get; init; }

    /// <summary>Who submitted it, and on which machine.</summary>
    public required string By { get; init; }

    /// <summary>When, by the clock of that machine.</summary>
    public required DateTimeOffset Submitted { get; init; }

    /// <summary>Whether it was cancelled.</summary>
    public bool IsCancelled { get; init; }

    public JobKey Key => new(Name, Id);

    /// <summary>An ID from what the job is: the same job has the same.</summary>
    public static string IdOf(string kind, params string[] identity)
    {
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', identity)));
        return $"{kind}-{Convert.ToHexStringLower(digest)[..Digits]}";
    }

    /// <summary>Workers serve the jobs of their own version alone.</summary>
    public static string GroupOf(string version) => $"version {version}";

    /// <summary>Key of a shard.</summary>
    /// <param name="number">Which, from 1.</param>
    public JobKey ShardKey(int number) => new(number.ToString("d5", CultureInfo.InvariantCulture), Id);

    /// <summary>Number of a shard by its key.</summary>
    public static int NumberOf(JobKey key) => int.Parse(key.Name, CultureInfo.InvariantCulture);

    public IJobDetail ToDetail() =>
        JobBuilder
            .Create<ShardJob>()
            .WithIdentity(Key)
            .WithDescription(Title)
            .StoreDurably()
            .UsingJobData(
                new JobDataMap
                {
                    ["kind"] = Kind,
                    ["request"] = Request,
                    ["files"] = Files,
                    ["title"] = Title,
                    ["output"] = Output,
                    ["shards"] = Shards.ToString(CultureInfo.InvariantCulture),
                    ["tries"] = Tries.ToString(CultureInfo.InvariantCulture),
                    ["version"] = Version,
                    ["by"] = By,
                    ["submitted"] = Submitted.ToString("O", CultureInfo.InvariantCulture),
                    ["cancelled"] = IsCancelled ? "yes" : "no",
                }
            )
            .Build();

    public static JobRecord Of(IJobDetail detail)
    {
        JobDataMap map = detail.JobDataMap;
        return new JobRecord
        {
            Id = detail.Key.Group,
            Kind = Text("kind"),
            Request = Text("request"),
            Files = Text("files"),
            Title = Text("title"),
            Output = Text("output"),
            Shards = int.Parse(Text("shards"), CultureInfo.InvariantCulture),
            Tries = int.Parse(Text("tries"), CultureInfo.InvariantCulture),
            Version = Text("version"),
            By = Text("by"),
            Submitted = DateTimeOffset.Parse(Text("submitted"), CultureInfo.InvariantCulture),
            IsCancelled = Text("cancelled") == "yes",
        };

        string Text(string name) => (string)map[name]!;
    }

    /// <summary>A shard and what fires it, as often as it is to be tried.</summary>
    /// <param name="number">Which, from 1.</param>
    /// <param name="state">What is known of it.</param>
    /// <param name="now">The time.</param>
    public (IJobDetail Job, ITrigger Trigger) Shard(int number, ShardRecord state, DateTimeOffset now)
    {
        IJobDetail job = ShardDetail(ShardKey(number), state);
        // Due a day ago: no clock that is wrong by hours makes a shard wait.
        TriggerBuilder<IJob> trigger = TriggerBuilder
            .Create()
            .WithIdentity(job.Key.Name, Id)
            .ForJob(job.Key)
            .WithExecutionGroup(GroupOf(Version))
            .StartAt(now - TimeSpan.FromDays(1) + TimeSpan.FromMilliseconds(number))
            .WithSimpleSchedule(schedule =>
                schedule.WithMisfireInstruction(SimpleTriggerMisfireInstruction.IgnoreMisfires)
            );
        return (job, trigger.Build());
    }

    public static IJobDetail ShardDetail(JobKey key, ShardRecord state) =>
        JobBuilder
            .Create<ShardJob>()
            .WithIdentity(key)
            .StoreDurably()
            .RequestRecovery()
            .UsingJobData(state.ToMap())
            .Build();
}

/// <summary>What is known of a shard that does not run: kept with its job in the store. Immutable.</summary>
internal sealed record ShardRecord
{
    /// <summary>Nothing has been done.</summary>
    public static ShardRecord New { get; } = new();

    /// <summary>Whether it is complete.</summary>
    public bool IsDone { get; init; }

    /// <summary>Whether it was given up.</summary>
    public bool IsParked { get; init; }

    /// <summary>Whether its last worker ended in good order and gave it back.</summary>
    public bool IsHandedBack { get; init; }

    /// <summary>Rows that are committed.</summary>
    public long Rows { get; init; }

    /// <summary>Those of them with an error.</summary>
    public long Rejected { get; init; }

    /// <summary>Rows a second of the last run.</summary>
    public double PerSecond { get; init; }

    /// <summary>The worker that had it last; null for none.</summary>
    public string? Worker { get; init; }

    /// <summary>How often it failed with an error.</summary>
    public int Failures { get; init; }

    /// <summary>How often a worker died over it without a new row.</summary>
    public int Deaths { get; init; }

    /// <summary>The last error; null for none.</summary>
    public string? Error { get; init; }

    public JobDataMap ToMap()
    {
        var map = new JobDataMap();
        WriteTo(map);
        return map;
    }

    public void WriteTo(JobDataMap map)
    {
        map["state"] =
            IsDone ? "done"
            : IsParked ? "parked"
            : IsHandedBack ? "handed back"
            : "open";
        map["rows"] = Rows.ToString(CultureInfo.InvariantCulture);
        map["rejected"] = Rejected.ToString(CultureInfo.InvariantCulture);
        map["perSecond"] = PerSecond.ToString("f2", CultureInfo.InvariantCulture);
        map["worker"] = Worker ?? "";
        map["failures"] = Failures.ToString(CultureInfo.InvariantCulture);
        map["deaths"] = Deaths.ToString(CultureInfo.InvariantCulture);
        map["error"] = Error ?? "";
    }

    public static ShardRecord Of(JobDataMap map)
    {
        string state = Text("state");
        return new ShardRecord
        {
            IsDone = state == "done",
            IsParked = state == "parked",
            IsHandedBack = state == "handed back",
            Rows = long.Parse(Text("rows"), CultureInfo.InvariantCulture),
            Rejected = long.Parse(Text("rejected"), CultureInfo.InvariantCulture),
            PerSecond = double.Parse(Text("perSecond"), CultureInfo.InvariantCulture),
            Worker = Text("worker") is { Length: > 0 } worker ? worker : null,
            Failures = int.Parse(Text("failures"), CultureInfo.InvariantCulture),
            Deaths = int.Parse(Text("deaths"), CultureInfo.InvariantCulture),
            Error = Text("error") is { Length: > 0 } error ? error : null,
        };

        string Text(string name) => (string)map[name]!;
    }
}
