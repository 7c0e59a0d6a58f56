using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Cluster;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>jobs: how submitted work stands, from any machine.</summary>
internal static class JobsCommand
{
    private const int MostShown = 20;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1),
        Patience = TimeSpan.FromMinutes(10);

    public static Command Create(Terminal terminal, CancellationToken cancellation) =>
        new("jobs", "Submitted jobs: how they stand, cancel them, put them back.")
        {
            List(terminal),
            OfOne(
                "show",
                "Show a job: its shards, which worker has which, rows, errors.",
                terminal,
                async (client, id) =>
                {
                    ClusterJob job = await client.Get(id);
                    return (job, () => Print(terminal.Output, job), ExitCode.Done);
                }
            ),
            OfOne(
                "wait",
                "Wait until a job has ended. Exit code 0: done; 3: done, and some inputs were rejected; 1: shards are "
                    + "parked, or it was cancelled.",
                terminal,
                async (client, id) =>
                {
                    ClusterJob job = await Wait(terminal, client, id, cancellation);
                    return (job, () => Print(terminal.Output, job), CodeOf(job));
                }
            ),
            OfOne(
                "cancel",
                "Cancel a job. Rows that are there stay, and 'jobs retry' goes on with them.",
                terminal,
                async (client, id) =>
                {
                    await client.Cancel(id);
                    return Said(terminal, id, "is cancelled; shards in work end with their next segment.");
                }
            ),
            OfOne(
                "retry",
                "Put a job's parked and cancelled shards back; each goes on behind its last row.",
                terminal,
                async (client, id) =>
                {
                    int count = await client.Retry(id);
                    return Said(terminal, id, $"has {count} {(count == 1 ? "shard" : "shards")} back in the queue.");
                }
            ),
            OfOne(
                "remove",
                "Forget a job that does not run; its output stays.",
                terminal,
                async (client, id) =>
                {
                    await client.Remove(id);
                    return Said(terminal, id, "is removed; its output is as it was.");
                }
            ),
        };

    private static Command List(Terminal terminal)
    {
        Option<string> store = WorkerCommand.StoreOption();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("list", "List the jobs of a store, the newest first.") { store, json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<ClusterJob> jobs = Ask(WorkerCommand.Store(parsed, store), client => client.List());
            if (parsed.GetValue(json))
                terminal.WriteJson(new { jobs = jobs.Select(InShort) });
            else if (jobs.Count == 0)
                terminal.WriteText("The store has no job. Submit one with 'mlnet-transfer submit'.\n");
            foreach (ClusterJob job in parsed.GetValue(json) ? [] : jobs)
                terminal.WriteText($"{job.Id}  {Line(job)}\n    {job.Title}\n");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>A command about one job.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="terminal">Where it writes.</param>
    /// <param name="work">Does it: returns what --json prints, what prints it for people, and the exit code.</param>
    private static Command OfOne(
        string name,
        string description,
        Terminal terminal,
        Func<ClusterClient, string, Task<(object Json, Action Print, int Code)>> work
    )
    {
        var id = new Argument<string>("id") { Description = "ID of the job, as 'submit' printed it." };
        Option<string> store = WorkerCommand.StoreOption();
        Option<bool> json = CommonOptions.Json();
        var command = new Command(name, description) { id, store, json };
        command.SetAction(parsed =>
        {
            (object found, Action print, int code) = Ask(
                WorkerCommand.Store(parsed, store),
                client => work(client, parsed.GetRequiredValue(id))
            );
            if (parsed.GetValue(json))
                terminal.WriteJson(found);
            else
                print();
            return code;
        });
        return command;
    }

    private static T Ask<T>(ClusterStore store, Func<ClusterClient, Task<T>> work)
    {
        return Inner().GetAwaiter().GetResult();

        async Task<T> Inner()
        {
            await using ClusterClient client = await ClusterClient.Open(store);
            return await work(client);
        }
    }

    private static (object Json, Action Print, int Code) Said(Terminal terminal, string id, string words) =>
        (new { id, message = $"Job {id} {words}" }, () => terminal.WriteText($"Job {id} {words}\n"), ExitCode.Done);

    private static async Task<ClusterJob> Wait(
        Terminal terminal,
        ClusterClient client,
        string id,
        CancellationToken cancellation
    )
    {
        ClusterJob job = await client.Get(id);
        return terminal.WithProgress(progress =>
        {
            long heard = TimeProvider.System.GetTimestamp();
            while (job.State is ClusterState.Waiting or ClusterState.Running)
            {
                cancellation.ThrowIfCancellationRequested();
                progress.Report(
                    new JobProgress("Shards", job.Count(ClusterState.Done), job.Shards.Count)
                    {
                        Detail = job.Note ?? $"{job.Rows:N0} rows, {Rate(job.PerSecond)} a second",
                    }
                );
                cancellation.WaitHandle.WaitOne(Look);
                try
                {
                    job = client.Get(id).GetAwaiter().GetResult();
                    heard = TimeProvider.System.GetTimestamp();
                }
                catch (TransferException) when (TimeProvider.System.GetElapsedTime(heard) < Patience)
                {
                    // The store is away; workers wait for it as well.
                }
            }

            return job;
        });
    }

    private static int CodeOf(ClusterJob job) =>
        job.State != ClusterState.Done ? ExitCode.Failed
        : job.Rejected > 0 ? ExitCode.SomeRejected
        : ExitCode.Done;

    private static string Rate(double perSecond) => perSecond.ToString("f1", CultureInfo.InvariantCulture);

    private static object InShort(ClusterJob job) =>
        new
        {
            job.Id,
            job.Title,
            job.State,
            Shards = job.Shards.Count,
            Done = job.Count(ClusterState.Done),
            Running = job.Count(ClusterState.Running),
            Parked = job.Count(ClusterState.Parked),
            job.Rows,
            job.Rejected,
            job.PerSecond,
            job.LastError,
        };

    private static string Line(ClusterJob job) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{FlagText.Of(job.State)}: {job.Count(ClusterState.Done)} of {job.Shards.Count} shards done, "
        )
        + string.Create(
            CultureInfo.InvariantCulture,
            $"{job.Count(ClusterState.Running)} running, {job.Count(ClusterState.Parked)} parked; {job.Rows:N0} rows, "
        )
        + string.Create(CultureInfo.InvariantCulture, $"{job.Rejected:N0} rejected");

    private static void Print(IAnsiConsole console, ClusterJob job)
    {
        console.WriteLine($"{job.Id}: {job.Title}");
        console.WriteLine($"Version {job.Version}, submitted by {job.By}");
        console.WriteLine(Line(job));
        if (job.Note is { } note)
            console.WriteLine(note);
        foreach (ClusterWorkerState worker in job.Workers)
            console.WriteLine(
                worker.Shards.Count == 0
                    ? $"Worker {worker.Name}: no shard of this job"
                    : $"Worker {worker.Name}: shard {string.Join(", ", worker.Shards)}, "
                        + $"{Rate(worker.PerSecond)} a second"
            );
        ClusterShard[] told =
        [
            .. job.Shards.Where(shard => shard.State == ClusterState.Running || shard.Error is not null),
        ];
        foreach (ClusterShard shard in told.Take(MostShown))
            console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Shard {shard.Number}: {FlagText.Of(shard.State)}, {shard.Rows:N0} rows, {shard.Rejected:N0} "
                )
                    + $"rejected{(shard.Worker is null ? "" : $", {shard.Worker}")}"
                    + (
                        shard.Failures == 0
                            ? ""
                            : $"; failed {(shard.Failures == 1 ? "once" : $"{shard.Failures} times")}"
                    )
                    + (shard.Error is null ? "" : $": {shard.Error}")
            );
        if (told.Length > MostShown)
            console.WriteLine($"… and {told.Length - MostShown} more; --json has all.");
    }
}
