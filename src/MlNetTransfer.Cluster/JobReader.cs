using Quartz;

namespace MlNetTransfer.Cluster;

/// <summary>Reads how jobs stand from what Quartz keeps: jobs, triggers, firings, nodes.</summary>
internal static class JobReader
{
    private const int KeysAtOnce = 500,
        MostFailures = 20;

    /// <summary>The jobs of the store, the newest first.</summary>
    public static Task<IReadOnlyList<JobRecord>> Records(StoreConnection store) =>
        store.Ask(async scheduler =>
        {
            PagedResult<JobHeader> found = await scheduler.QueryJobs(
                new JobQuery
                {
                    Name = Matchers.Name<JobKey>(StringOperator.Equality, JobRecord.Name),
                    Take = int.MaxValue,
                }
            );
            IReadOnlyCollection<IJobDetail> details = await scheduler.GetJobDetails([
                .. found.Items.Select(job => job.Key),
            ]);
            return (IReadOnlyList<JobRecord>)
                [.. details.Select(JobRecord.Of).OrderByDescending(job => job.Submitted).ThenBy(job => job.Id)];
        });

    /// <summary>One job of the store.</summary>
    /// <exception cref="TransferException">There is none of this ID; the message names those there are.</exception>
    public static async Task<JobRecord> Record(StoreConnection store, string id)
    {
        IJobDetail? detail = await store.Ask(scheduler => scheduler.GetJobDetail(new JobKey(JobRecord.Name, id)));
        if (detail is not null)
            return JobRecord.Of(detail);
        string[] known = [.. (await Records(store)).Select(job => job.Id)];
        throw new TransferException(
            $"There is no job '{id}' in {store.Store.Name}; "
                + (known.Length == 0 ? "it has none. Submit one with 'submit'." : "there are ")
                + (known.Length == 0 ? "" : $"{string.Join(", ", known.Take(10))}. Take one of them.")
        );
    }

    /// <summary>How jobs stand.</summary>
    public static Task<IReadOnlyList<ClusterJob>> Read(StoreConnection store, IReadOnlyList<JobRecord> jobs) =>
        store.Ask(async scheduler =>
        {
            ClusterNode[] alive =
            [
                .. (await scheduler.QueryClusterNodes()).Where(node =>
                    !node.IsCurrentNode && node.State != ClusterNodeState.Failed
                ),
            ];
            HashSet<string> nodes = store.Store.File is not null
                ? (ClusterWorker.IsAlive(store.Store) ? [WorkerName.OfFile] : [])
                : [.. alive.Select(node => node.InstanceId)];
            List<ClusterJob> read = [];
            foreach (JobRecord job in jobs)
                read.Add(await Read(store.Store, scheduler, job, nodes));
            return (IReadOnlyList<ClusterJob>)read;
        });

    /// <summary>How one job stands, with its failed runs.</summary>
    public static async Task<ClusterJob> Read(StoreConnection store, JobRecord job)
    {
        ClusterJob read = (await Read(store, [job]))[0];
        PagedResult<ExecutionHistoryEntry> runs = await store.Ask(scheduler =>
            store.Log.QueryExecutions(
                new ExecutionHistoryQuery
                {
                    SchedulerName = scheduler.SchedulerName,
                    JobContains = job.Id,
                    Results = [JobRunResult.Failed],
                    Take = MostFailures,
                }
            )
        );
        return read with
        {
            Failures =
            [
                .. runs.Items.Select(run => new ClusterFailure(
                    JobRecord.NumberOf(new JobKey(run.JobName, run.JobGroup)),
                    WorkerName.Of(run.SchedulerInstanceId).Name,
                    run.FiredAtUtc,
                    run.Duration.TotalSeconds,
                    run.ExceptionMessage ?? run.Summary ?? ""
                )),
            ],
        };
    }

    /// <summary>Keys of the shards that have a trigger: something will fire them, or does.</summary>
    public static async ValueTask<HashSet<JobKey>> Scheduled(IScheduler scheduler, JobRecord job)
    {
        HashSet<JobKey> keys = [];
        foreach (string group in (string[])[job.Id, SchedulerConstants.DefaultRecoveryGroup])
        {
            PagedResult<TriggerHeader> triggers = await scheduler.QueryTriggers(
                new TriggerQuery { Group = GroupMatcher<TriggerKey>.GroupEquals(group), Take = int.MaxValue }
            );
            keys.UnionWith(triggers.Items.Select(trigger => trigger.JobKey).Where(key => key.Group == job.Id));
        }

        return keys;
    }

    /// <summary>The shards of a job that do not run or do, each as it was written down last.</summary>
    public static async ValueTask<ShardRecord[]> Shards(IScheduler scheduler, JobRecord job)
    {
        var records = new ShardRecord[job.Shards];
        Array.Fill(records, ShardRecord.New);
        foreach (int[] numbers in Enumerable.Range(1, job.Shards).Chunk(KeysAtOnce))
        foreach (
            IJobDetail detail in await scheduler.GetJobDetails([.. numbers.Select(number => job.ShardKey(number))])
        )
            records[JobRecord.NumberOf(detail.Key) - 1] = ShardRecord.Of(detail.JobDataMap);
        return records;
    }

    private static async ValueTask<ClusterJob> Read(
        ClusterStore store,
        IScheduler scheduler,
        JobRecord job,
        HashSet<string> nodes
    )
    {
        // Firings first: a shard that ends meanwhile is then shown by what was written at its end.
        PagedResult<FireInstance> firings = await scheduler.QueryFireInstances(
            new FireInstanceQuery { Take = int.MaxValue }
        );
        var running = firings
            .Items.Where(firing => firing.JobKey?.Group == job.Id)
            .GroupBy(firing => firing.JobKey!)
            .ToDictionary(group => group.Key, group => group.First());
        HashSet<JobKey> scheduled = await Scheduled(scheduler, job);
        ShardRecord[] records = await Shards(scheduler, job);
        ClusterShard[] shards =
        [
            .. records.Select(
                (record, i) =>
                {
                    JobKey key = job.ShardKey(i + 1);
                    return Shard(job, i + 1, record, running.GetValueOrDefault(key), nodes, scheduled.Contains(key));
                }
            ),
        ];
        ClusterState state = StateOf(job, shards);
        return new ClusterJob
        {
            Id = job.Id,
            Title = job.Title,
            State = state,
            Version = job.Version,
            By = job.By,
            Submitted = job.Submitted,
            Shards = shards,
            Workers = Workers(job, shards, [.. nodes]),
            Note = state == ClusterState.Waiting ? NoteOf(store, job, nodes) : null,
        };
    }

    private static ClusterShard Shard(
        JobRecord job,
        int number,
        ShardRecord record,
        FireInstance? firing,
        HashSet<string> alive,
        bool isScheduled
    )
    {
        var told = ProgressText.Read(firing?.ProgressMessage);
        // A firing that has ended is in the list for a moment.
        bool isBegun = firing is not null && record is { IsDone: false, IsParked: false };
        // What a dead worker had waits for the next one.
        bool isRunning = isBegun && alive.Contains(firing!.SchedulerInstanceId);
        ClusterState state =
            record.IsDone ? ClusterState.Done
            : record.IsParked ? ClusterState.Parked
            : isRunning ? ClusterState.Running
            : job.IsCancelled ? ClusterState.Cancelled
            : isScheduled || isBegun ? ClusterState.Waiting
            : ClusterState.Parked;
        string? worker = isRunning ? firing!.SchedulerInstanceId : record.Worker;
        return new ClusterShard
        {
            Number = number,
            State = state,
            Worker = worker is null ? null : WorkerName.Of(worker).Name,
            Rows = isBegun && told is { } now ? now.Progress.Rows : record.Rows,
            Rejected = isBegun && told is { } then ? then.Progress.Rejected : record.Rejected,
            PerSecond = isRunning ? told?.PerSecond ?? 0 : record.PerSecond,
            Failures = record.Failures,
            Error =
                record.Error is null && state == ClusterState.Parked
                    ? "Nothing in the store starts it any more. Put it back with 'jobs retry'."
                    : record.Error,
        };
    }

    private static ClusterState StateOf(JobRecord job, ClusterShard[] shards) =>
        shards.Any(shard => shard.State == ClusterState.Running) ? ClusterState.Running
        : shards.All(shard => shard.State == ClusterState.Done) ? ClusterState.Done
        : job.IsCancelled ? ClusterState.Cancelled
        : shards.Any(shard => shard.State == ClusterState.Waiting) ? ClusterState.Waiting
        : ClusterState.Parked;

    private static ClusterWorkerState[] Workers(JobRecord job, ClusterShard[] shards, string[] alive)
    {
        ILookup<string, ClusterShard> running = shards
            .Where(shard => shard is { State: ClusterState.Running, Worker: not null })
            .ToLookup(shard => shard.Worker!);
        // A file of SQLite has no list of workers; who has a shard is one.
        IEnumerable<(string Name, string Version)> all = alive
            .Select(WorkerName.Of)
            .Concat(running.Select(group => (group.Key, job.Version)))
            .Where(worker => worker.Item2 == job.Version)
            .Distinct()
            .OrderBy(worker => worker.Item1, StringComparer.Ordinal);
        return
        [
            .. all.Select(worker => new ClusterWorkerState
            {
                Name = worker.Name,
                Version = worker.Version,
                Shards = [.. running[worker.Name].Select(shard => shard.Number)],
                PerSecond = running[worker.Name].Sum(shard => shard.PerSecond),
            }),
        ];
    }

    private static string? NoteOf(ClusterStore store, JobRecord job, IReadOnlyCollection<string> nodes)
    {
        string[] versions =
        [
            // The one worker of a file has its name alone.
            .. nodes
                .Select(node => store.File is not null ? job.Version : WorkerName.Of(node).Version)
                .Distinct()
                .Order(),
        ];
        return versions.Contains(job.Version) ? null
            : versions.Length == 0 && job.Version == ProductVersion.OfPackage
                ? $"No worker is alive. Start one: mlnet-transfer worker --store {store.Typed}"
            : versions.Length == 0
                ? $"It was submitted with version {job.Version}, and waits for a worker of that version."
            : $"It was submitted with version {job.Version}; the workers that are alive are of version "
                + $"{string.Join(", ", versions)} and leave it to others. Start a worker of version {job.Version}.";
    }
}
