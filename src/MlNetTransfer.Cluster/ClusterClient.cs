using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;
using Quartz;

namespace MlNetTransfer.Cluster;

/// <summary>Submits jobs to a store and asks how they stand, from any machine; it does none of their work.</summary>
public sealed class ClusterClient : IAsyncDisposable
{
    private readonly StoreConnection connection;
    private readonly TimeProvider clock;

    private ClusterClient(StoreConnection connection, TimeProvider clock) =>
        (this.connection, this.clock) = (connection, clock);

    /// <summary>Opens a store; its tables are made where they are missing.</summary>
    /// <param name="store">The store.</param>
    /// <param name="clock">Tells the time of submissions; null for the system's.</param>
    /// <exception cref="TransferException">It cannot be reached.</exception>
    public static async Task<ClusterClient> Open(ClusterStore store, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        return new ClusterClient(await StoreConnection.Open(store), clock ?? TimeProvider.System);
    }

    /// <summary>Stores a batch as a job, all shards or none. Model, input and output are opened first.</summary>
    /// <param name="submission">The batch.</param>
    /// <returns>ID of the job.</returns>
    /// <exception cref="TransferException">Something of it is not as it has to be; or the same job is there, or
    /// another one with its output: the message names it.</exception>
    public async Task<string> Submit(ScoreSubmission submission)
    {
        ArgumentNullException.ThrowIfNull(submission);
        return await Submit(
            ScoreWork.Record(submission, connection.Store, clock.GetUtcNow()),
            job => ScoreWork.Probe(job)
        );
    }

    /// <summary>
    /// Stores a training job for one worker; where that dies, another one begins it anew. A gate that does not hold
    /// parks it at once, with what was found.
    /// </summary>
    /// <param name="run">The job file and the folder of the run. Paths must mean the same on every machine.</param>
    /// <param name="shards">How many workers may be at it, in [1, 100]; more than one is for a training of the network
    /// by folds, which the others then train too.</param>
    /// <param name="tries">How often it is tried before it is parked with its error, in [1, 100].</param>
    /// <returns>ID of the job.</returns>
    /// <exception cref="TransferException">The job file is not as it has to be; or the same job is there, or another
    /// one with its folder: the message names it.</exception>
    public async Task<string> Submit(RunOptions run, int shards = 1, int tries = 3)
    {
        ArgumentNullException.ThrowIfNull(run);
        Check.InRange(shards, 1, 100);
        Check.InRange(tries, 1, 100);
        return await Submit(RunWork.Record(run, shards, tries, clock.GetUtcNow()), _ => { });
    }

    /// <summary>
    /// Stores a search for the best recipe of a training, for any workers: each tries recipes that no other has begun.
    /// trials.jsonl in the output folder has what they found; <c>tune</c> with the same options and
    /// <see cref="TuneOptions.Together"/> says it.
    /// </summary>
    /// <param name="submission">The search, and for how many workers.</param>
    /// <returns>ID of the job.</returns>
    /// <exception cref="TransferException">The training is not as it has to be; or the same job is there, or another
    /// one with its folder: the message names it.</exception>
    public async Task<string> Submit(TuneSubmission submission)
    {
        ArgumentNullException.ThrowIfNull(submission);
        return await Submit(TuneWork.Record(submission, clock.GetUtcNow()), _ => { });
    }

    /// <param name="job">The job.</param>
    /// <param name="probe">Tries it, once it is known that it is not there already.</param>
    private async Task<string> Submit(JobRecord job, Action<JobRecord> probe)
    {
        foreach (JobRecord other in await JobReader.Records(connection))
            if (other.Id == job.Id)
                throw AlreadyThere(other);
            else if (other.Output == job.Output)
                throw new TransferException(
                    $"The output {job.Output} is that of job {other.Id}, which is another one: {other.Title}, "
                        + $"{other.Shards} shards, submitted by {other.By}. Give another output; or 'jobs remove "
                        + $"{other.Id}' if it is no longer wanted."
                );
        probe(job);
        Dictionary<IJobDetail, IReadOnlyCollection<ITrigger>> all = Fresh(job, Enumerable.Range(1, job.Shards));
        all[job.ToDetail()] = [];
        try
        {
            await connection.Ask(async scheduler =>
            {
                await scheduler.ScheduleJobs(all, default);
                return true;
            });
        }
        catch (ObjectAlreadyExistsException)
        {
            throw AlreadyThere(await JobReader.Record(connection, job.Id));
        }

        return job.Id;
    }

    /// <summary>All jobs, the newest first.</summary>
    public async Task<IReadOnlyList<ClusterJob>> List() =>
        await JobReader.Read(connection, await JobReader.Records(connection));

    /// <summary>One job.</summary>
    /// <exception cref="TransferException">There is none of this ID.</exception>
    public async Task<ClusterJob> Get(string id) =>
        await JobReader.Read(connection, await JobReader.Record(connection, id));

    /// <summary>
    /// Cancels a job: shards that wait are not begun, those that run end behind their next segment. Rows that are there
    /// stay, and <see cref="Retry"/> goes on with them.
    /// </summary>
    /// <exception cref="TransferException">There is none of this ID.</exception>
    public async Task Cancel(string id)
    {
        JobRecord job = await JobReader.Record(connection, id);
        await connection.Ask(async scheduler =>
        {
            await scheduler.AddJob((job with { IsCancelled = true }).ToDetail(), AddJobOptions.Replacing);
            PagedResult<TriggerHeader> triggers = await scheduler.QueryTriggers(
                new TriggerQuery { Group = GroupMatcher<TriggerKey>.GroupEquals(job.Id), Take = int.MaxValue }
            );
            PagedResult<FireInstance> all = await scheduler.QueryFireInstances(
                new FireInstanceQuery { Take = int.MaxValue }
            );
            FireInstance[] firings = [.. all.Items.Where(firing => firing.JobKey?.Group == job.Id)];
            // A trigger that is taken away takes its firing along, and with that the word to the worker that has it.
            TriggerKey[] waiting =
            [
                .. triggers.Items.Select(trigger => trigger.Key).Except(firings.Select(firing => firing.TriggerKey)),
            ];
            await scheduler.UnscheduleJobs(waiting);
            foreach (FireInstance firing in firings)
                await scheduler.Interrupt(firing.JobKey!);
            return true;
        });
    }

    /// <summary>Puts parked and cancelled shards back with all their tries; each goes on behind its last row.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="TransferException">There is no job of this ID.</exception>
    public async Task<int> Retry(string id)
    {
        JobRecord before = await JobReader.Record(connection, id),
            job = before with { IsCancelled = false };
        return await connection.Ask(async scheduler =>
        {
            await scheduler.AddJob(job.ToDetail(), AddJobOptions.Replacing);
            HashSet<JobKey> scheduled = await JobReader.Scheduled(scheduler, job);
            ShardRecord[] records = await JobReader.Shards(scheduler, job);
            int[] numbers =
            [
                .. Enumerable
                    .Range(1, job.Shards)
                    .Where(number => !records[number - 1].IsDone && !scheduled.Contains(job.ShardKey(number))),
            ];
            if (numbers.Length > 0)
                await scheduler.ScheduleJobs(Fresh(job, numbers, records), ScheduleJobOptions.Replacing);
            // Of a cancelled job, shards that no worker has looked at since are scheduled still, and go on too.
            return before.IsCancelled ? records.Count(record => !record.IsDone) : numbers.Length;
        });
    }

    /// <summary>Forgets a job; its output stays. The same may then be submitted again.</summary>
    /// <exception cref="TransferException">There is none of this ID, or a worker has a shard of it.</exception>
    public async Task Remove(string id)
    {
        ClusterJob job = await Get(id);
        if (job.State == ClusterState.Running)
            throw new TransferException(
                $"Job {id} is running: {job.Count(ClusterState.Running)} shards are with workers. Cancel it first: "
                    + $"'jobs cancel {id}'."
            );
        await connection.Ask(scheduler => scheduler.DeleteJobs(GroupMatcher<JobKey>.GroupEquals(id)));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static TransferException AlreadyThere(JobRecord job) =>
        new(
            $"The same job is there already: {job.Id}, submitted by {job.By} at "
                + FormattableString.Invariant($"{job.Submitted.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC. ")
                + $"Follow it with 'jobs show {job.Id}', go on with it by 'jobs retry {job.Id}', or 'jobs remove "
                + $"{job.Id}' to submit it anew."
        );

    private Dictionary<IJobDetail, IReadOnlyCollection<ITrigger>> Fresh(
        JobRecord job,
        IEnumerable<int> numbers,
        ShardRecord[]? before = null
    )
    {
        DateTimeOffset now = clock.GetUtcNow();
        Dictionary<IJobDetail, IReadOnlyCollection<ITrigger>> all = [];
        foreach (int number in numbers)
        {
            ShardRecord old = before?[number - 1] ?? ShardRecord.New;
            var state = new ShardRecord { Rows = old.Rows, Rejected = old.Rejected };
            (IJobDetail detail, ITrigger trigger) = job.Shard(number, state, now);
            all[detail] = [trigger];
        }

        return all;
    }
}
