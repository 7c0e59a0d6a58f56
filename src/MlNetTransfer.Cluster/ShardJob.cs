using System.Data.Common;
using System.Diagnostics;
using System.Globalization;
using Quartz;

namespace MlNetTransfer.Cluster;

/// <summary>
/// One shard on one worker. Quartz decides who runs it and when, and starts it anew where a worker dies; what became of
/// it is written with the job in the transaction that ends the firing.
/// </summary>
[DisallowConcurrentExecution]
[PersistJobDataAfterExecution]
[RetryPolicy(MostRetries, "00:00:05", 2, MaxDelay = "00:05:00")]
internal sealed class ShardJob(WorkerSetting worker) : IJob
{
    /// <summary>More than a job may ask for: when to give up is decided here, by what is known of a shard.</summary>
    private const int MostRetries = 200;

    private const int LongestError = 900;

    /// <summary>How long a segment may take to end where the worker is asked to.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>A machine on which everything fails at once must not use up the tries of all shards.</summary>
    private static readonly TimeSpan LeastFailure = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(2);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellation)
    {
        JobKey key = context.JobDetail.Key;
        ShardRecord shard = ShardRecord.Of(context.JobDetail.JobDataMap);
        if (shard.IsDone || shard.IsParked)
            return;
        var header = new JobKey(JobRecord.Name, key.Group);
        if (await Patiently(() => context.Scheduler.GetJobDetail(header, cancellation), cancellation) is not { } detail)
            return;
        JobRecord job = JobRecord.Of(detail);
        if (job.IsCancelled)
        {
            context.Result = JobRunReport.Skipped("The job was cancelled.");
            return;
        }

        bool hasDied = context.Recovering && !shard.IsHandedBack;
        shard = shard with
        {
            Worker = worker.Id,
            IsHandedBack = false,
            Deaths = hasDied ? shard.Deaths + 1 : shard.Deaths,
        };
        if (shard.Deaths >= job.Tries)
        {
            Park(
                context,
                job,
                shard with
                {
                    Error =
                        $"{shard.Deaths} workers died over this shard without anything new. "
                        + ShardWork.Of(job.Kind).Watch(job, JobRecord.NumberOf(key)),
                }
            );
            return;
        }

        if (hasDied)
            await Patiently(() => Keep(context, shard), cancellation);
        using IDisposable inWork = worker.Begin();
        var run = new Running(this, context, job, shard, inWork);
        await Task.Factory.StartNew(
            () => run.Work(cancellation),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
    }

    /// <summary>Writes down what is known of a shard, beside the transaction that ends its firing.</summary>
    private static async ValueTask<bool> Keep(IJobExecutionContext context, ShardRecord shard)
    {
        await context.Scheduler.AddJob(
            JobRecord.ShardDetail(context.JobDetail.Key, shard),
            AddJobOptions.Replacing,
            CancellationToken.None
        );
        return true;
    }

    private void Park(IJobExecutionContext context, JobRecord job, ShardRecord shard)
    {
        (shard with { IsParked = true }).WriteTo(context.JobDetail.JobDataMap);
        context.Result = JobRunReport.Failed(shard.Error);
        worker.Log?.Invoke($"{Name(context, job)} is parked: {shard.Error}");
    }

    private static string Name(IJobExecutionContext context, JobRecord job) =>
        $"{job.Id} shard {JobRecord.NumberOf(context.JobDetail.Key)}/{job.Shards}";

    /// <summary>Asks the store until it answers: it may be away for as long as it likes.</summary>
    private static async Task<T> Patiently<T>(Func<ValueTask<T>> ask, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return await ask();
            }
            catch (Exception e) when (e is SchedulerException or DbException)
            {
                await Task.Delay(AskAgain, cancellation);
            }
        }
    }

    /// <summary>A run of a shard.</summary>
    private sealed class Running(
        ShardJob owner,
        IJobExecutionContext context,
        JobRecord job,
        ShardRecord shard,
        IDisposable inWork
    )
    {
        private readonly long started = Stopwatch.GetTimestamp();
        private long opened;
        private ShardProgress? first;
        private ShardProgress last;
        private long total;

        /// <summary>Since model, input and output were opened.</summary>
        private double PerSecond =>
            first is { } start
                ? (last.Rows - start.Rows) / Math.Max(Stopwatch.GetElapsedTime(opened).TotalSeconds, 1e-3)
                : 0;

        public void Work(CancellationToken cancellation)
        {
            using Activity? activity = ClusterTelemetry.Source.StartActivity("shard");
            activity?.SetTag("job", job.Id);
            activity?.SetTag("shard", JobRecord.NumberOf(context.JobDetail.Key));
            activity?.SetTag("worker", owner.Id);
            owner.Say($"{Name(context, job)} begins{(context.Recovering ? ", taken over" : "")}.");
            using var drain = CancellationTokenSource.CreateLinkedTokenSource(cancellation, owner.Stopping);
            using var end = new CancellationTokenSource();
            using CancellationTokenRegistration grace = drain.Token.Register(() => end.CancelAfter(Grace));
            try
            {
                last = ShardWork
                    .Of(job.Kind)
                    .Run(
                        job,
                        JobRecord.NumberOf(context.JobDetail.Key),
                        new ShardRun
                        {
                            ImagesAtOnce = owner.ImagesAtOnce,
                            Committed = progress => Committed(progress, drain),
                            Total = rows => total = rows,
                            Drain = drain.Token,
                            End = end.Token,
                        }
                    );
                Done();
                ClusterTelemetry.Ended(activity, job, "done", Stopwatch.GetElapsedTime(started), last);
            }
            catch (OperationCanceledException) when (drain.IsCancellationRequested)
            {
                bool isHandedBack = owner.IsStopping;
                HandBack(isHandedBack, cancellation);
                string outcome = isHandedBack ? "handed_back" : "cancelled";
                ClusterTelemetry.Ended(activity, job, outcome, Stopwatch.GetElapsedTime(started), last);
                throw new OperationCanceledException(cancellation.IsCancellationRequested ? cancellation : drain.Token);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                bool isParked = Failed(e, cancellation);
                string outcome = isParked ? "parked" : "failed";
                ClusterTelemetry.Ended(activity, job, outcome, Stopwatch.GetElapsedTime(started), last);
                if (!isParked)
                    throw;
            }
        }

        private void Committed(ShardProgress progress, CancellationTokenSource drain)
        {
            if (first is null)
                (first, opened) = (progress, Stopwatch.GetTimestamp());
            else
            {
                ClusterTelemetry.Rows.Add(progress.Rows - last.Rows);
                ClusterTelemetry.Rejected.Add(progress.Rejected - last.Rejected);
            }

            last = progress;
            long percent = total > 0 ? Math.Min(100, 100 * progress.Rows / total) : 0;
            context.ReportProgress((int)percent, ProgressText.Of(progress, PerSecond));
            // What follows asks the store; it may be away, and the rows are safe.
            try
            {
                if (shard.Deaths > 0 && progress.Rows > first.Value.Rows)
                {
                    shard = shard with { Deaths = 0 };
                    Keep(context, Now()).AsTask().GetAwaiter().GetResult();
                }

                if (IsCancelled())
                    drain.Cancel();
            }
            catch (Exception e) when (e is SchedulerException or DbException)
            {
                // Asked again with the next commit.
            }
        }

        /// <summary>
        /// Of a file nobody tells a worker, and of a server only with its next check-in: it asks for itself.
        /// </summary>
        private bool IsCancelled() =>
            context.Scheduler.GetJobDetail(job.Key, CancellationToken.None).AsTask().GetAwaiter().GetResult()
                is not { } header
            || JobRecord.Of(header).IsCancelled;

        private ShardRecord Now() => shard with { Rows = last.Rows, Rejected = last.Rejected, PerSecond = PerSecond };

        private void Done()
        {
            (Now() with { IsDone = true, Error = null }).WriteTo(context.JobDetail.JobDataMap);
            context.Result = JobRunReport.Succeeded(ProgressText.Of(last, PerSecond));
            owner.Say(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Name(context, job)} is done: {last.Rows:N0} rows, {last.Rejected:N0} rejected, {PerSecond:f0} "
                ) + "a second."
            );
        }

        private void HandBack(bool isHandedBack, CancellationToken cancellation)
        {
            ShardRecord now = Now() with { IsHandedBack = isHandedBack };
            now.WriteTo(context.JobDetail.JobDataMap);
            owner.Say($"{Name(context, job)} is {(isHandedBack ? "handed back" : "cancelled")} at row {last.Rows:N0}.");
            try
            {
                // The shutdown of Quartz keeps no data of a firing that it hands back.
                Keep(context, now).AsTask().GetAwaiter().GetResult();
            }
            catch (Exception e) when (e is SchedulerException or DbException)
            {
                // It counts as a death then, and one is allowed.
            }

            // Only a firing that ends within the shutdown is handed back, and no other may end before it.
            inWork.Dispose();
            if (isHandedBack)
                cancellation.WaitHandle.WaitOne(Grace);
        }

        /// <summary>Returns whether the shard is parked.</summary>
        private bool Failed(Exception e, CancellationToken cancellation)
        {
            string error = e is TransferException ? e.Message : $"{e.GetType().Name}: {e.Message}";
            error = error.Length > LongestError ? $"{error[..LongestError]}…" : error;
            TimeSpan early = LeastFailure - Stopwatch.GetElapsedTime(started);
            if (early > TimeSpan.Zero)
                cancellation.WaitHandle.WaitOne(early);
            ShardRecord now = Now() with { Failures = shard.Failures + 1, Error = error };
            if (now.Failures >= job.Tries || e is FinalException)
            {
                owner.Park(context, job, now);
                return true;
            }

            now.WriteTo(context.JobDetail.JobDataMap);
            owner.Say($"{Name(context, job)} failed, try {now.Failures} of {job.Tries}: {error}");
            return false;
        }
    }

    private string Id => worker.Id;

    private int ImagesAtOnce => worker.ImagesAtOnce;

    private CancellationToken Stopping => worker.Stopping;

    private bool IsStopping => worker.Stopping.IsCancellationRequested;

    private void Say(string line) => worker.Log?.Invoke(line);
}

/// <summary>How far a running shard is, as the text that Quartz keeps beside a firing.</summary>
internal static class ProgressText
{
    public static string Of(ShardProgress progress, double perSecond) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"rows={progress.Rows} rejected={progress.Rejected} perSecond={perSecond:f1}"
        );

    /// <summary>Reads <see cref="Of"/>; null where the text is none.</summary>
    public static (ShardProgress Progress, double PerSecond)? Read(string? text)
    {
        string[] values = [.. (text ?? "").Split(' ').Select(part => part[(part.IndexOf('=') + 1)..])];
        return
            values is [var rows, var rejected, var perSecond]
            && long.TryParse(rows, CultureInfo.InvariantCulture, out long some)
            && long.TryParse(rejected, CultureInfo.InvariantCulture, out long few)
            && double.TryParse(perSecond, CultureInfo.InvariantCulture, out double rate)
            ? (new ShardProgress(some, few), rate)
            : null;
    }
}
