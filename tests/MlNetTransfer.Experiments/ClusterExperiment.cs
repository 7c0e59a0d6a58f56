using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// A job of a cluster over a PostgreSQL of its own: workers killed at random moments and the server once, what a shard
/// costs beside its images, and one worker beside two.
/// </summary>
internal static class ClusterExperiment
{
    private static readonly TimeSpan StartUp = TimeSpan.FromSeconds(8);

    /// <param name="args">"kills N", "shards N …", "workers SHARDS …", each as often as wanted; all of them without.</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string samples = Repository.At("data-samples/clipart"),
            model = CommandLineTool.Trained(work, samples);
        using PostgresServer server = PostgresServer.Begin(missing => throw new TransferException(missing));
        bool isAll = args.Length == 0;
        if (isAll || args.Contains("kills"))
            Kills(work, samples, model, server, After("kills") is [var kills, ..] ? kills : 10, experiment);
        if (isAll || args.Contains("shards"))
            Shards(
                work,
                samples,
                model,
                server,
                After("shards") is { Length: > 0 } some ? some : [20, 100],
                experiment
            );
        if (isAll || args.Contains("workers"))
            Workers(work, samples, model, server, After("workers") is { Length: > 0 } cuts ? cuts : [100], experiment);
        return 0;

        int[] After(string word) =>
            [
                .. args.SkipWhile(a => a != word)
                    .Skip(1)
                    .TakeWhile(a => int.TryParse(a, CultureInfo.InvariantCulture, out _))
                    .Select(a => int.Parse(a, CultureInfo.InvariantCulture)),
            ];
    }

    /// <summary>Three workers, one of them killed every few seconds and replaced, and the server killed once.</summary>
    private static void Kills(
        Scratch work,
        string samples,
        string model,
        PostgresServer server,
        int kills,
        Experiment experiment
    )
    {
        const int rows = 1000;
        Table table = experiment.Table(
            $"A job of {rows} rows in 12 shards, 3 workers killed (SIGKILL) at random moments, the server killed once",
            Column.Number("kills"),
            Column.Text("server killed", 13),
            Column.Number("inputs"),
            Column.Number("rows"),
            Column.Number("twice"),
            Column.Text("as undisturbed", 15)
        );
        string list = CommandLineTool.List(work, samples, rows);
        CommandLineTool.Call("score", model, list, "--output", server.Address, "--table", "whole");
        Submit(server, model, list, "killed", 12, "--rate-limit", "20", "--tries", "10");
        List<Process> workers = [.. Enumerable.Range(0, 3).Select(_ => Worker(server))];
        var random = new Random(1);
        int done = 0;
        bool isRestarted = false;
        while (done < kills && Finished(server, "killed") < 12)
        {
            Thread.Sleep(TimeSpan.FromSeconds(2 + 5 * random.NextDouble()));
            int victim = random.Next(workers.Count);
            Kill(workers[victim]);
            workers[victim] = Worker(server);
            done++;
            if (!isRestarted && Count(server, "killed") >= rows / 4)
                isRestarted = Restart(server);
        }

        if (!isRestarted && Finished(server, "killed") < 12)
            isRestarted = Restart(server);
        while (Finished(server, "killed") < 12)
            Thread.Sleep(500);
        workers.ForEach(Kill);
        long twice = Number(server, "SELECT COUNT(*) - COUNT(DISTINCT number) FROM killed"),
            missing = Number(server, "SELECT COUNT(*) FROM (TABLE whole EXCEPT ALL TABLE killed) AS q");
        table.Add(done, isRestarted ? "yes" : "no", rows, Count(server, "killed"), twice, missing == 0 ? "yes" : "NO");
    }

    /// <summary>Shards without images: what is left is what a shard costs.</summary>
    private static void Shards(
        Scratch work,
        string samples,
        string model,
        PostgresServer server,
        int[] counts,
        Experiment experiment
    )
    {
        Table table = experiment.Table(
            "Jobs of one row in many shards, one worker: seconds to submit; per shard milliseconds, those outside of the "
                + "shard's own run, and transactions of the server",
            Column.Number("shards"),
            Column.Number("submitSeconds", "0.0"),
            Column.Number("msPerShard", "0"),
            Column.Number("msCoordination", "0"),
            Column.Number("transactions", "0.0")
        );
        string list = CommandLineTool.List(work, samples, 1);
        using Process worker = Worker(server);
        Thread.Sleep(StartUp);
        foreach (int count in counts)
        {
            string name = FormattableString.Invariant($"empty{count}");
            long began = Stopwatch.GetTimestamp();
            Submit(server, model, list, name, count);
            double submitted = Stopwatch.GetElapsedTime(began).TotalSeconds;
            while (Finished(server, name) == 0)
                Thread.Sleep(10);
            // The first ones are done: from here on the worker is warm.
            (long before, long at, long from) = (
                Finished(server, name),
                Transactions(server),
                Stopwatch.GetTimestamp()
            );
            long asked = 1;
            for (; Finished(server, name) < count; asked++)
                Thread.Sleep(1000);
            double shards = count - before,
                each = Stopwatch.GetElapsedTime(from).TotalMilliseconds / shards,
                own = Number(server, $"SELECT AVG(run_time) FROM ({LastRuns(count - before)}) AS q") / 1e4;
            table.Add(count, submitted, each, each - own, (Transactions(server) - at - asked) / shards);
        }

        Kill(worker);
    }

    /// <summary>Workers of one thread each.</summary>
    private static void Workers(
        Scratch work,
        string samples,
        string model,
        PostgresServer server,
        int[] cuts,
        Experiment experiment
    )
    {
        const int rows = 3000;
        Table table = experiment.Table(
            $"A job of {rows} images by workers of one thread, from the first shard's start to the last one's end",
            Column.Number("shards"),
            Column.Number("workers"),
            Column.Number("seconds", "0.0"),
            Column.Number("perSecond", "0.0")
        );
        // An image's shard follows from its name: names must differ for shards to be alike.
        string images = CommandLineTool.Folder(work, samples, rows);
        foreach (int shards in cuts)
        foreach (int count in (int[])[1, 2])
        {
            string name = FormattableString.Invariant($"workers{count}of{shards}");
            List<Process> workers = [.. Enumerable.Range(0, count).Select(_ => Worker(server))];
            Thread.Sleep(StartUp);
            Submit(server, model, images, name, shards);
            // Asking takes from the workers' cores: seldom.
            while (Finished(server, name) < shards)
                Thread.Sleep(2000);
            double took =
                Number(server, $"SELECT MAX(fired_time + run_time) - MIN(fired_time) FROM ({LastRuns(shards)}) AS q")
                / 1e7;
            workers.ForEach(Kill);
            table.Add(shards, count, took, rows / took);
        }
    }

    private static void Submit(
        PostgresServer server,
        string model,
        string list,
        string table,
        int shards,
        params string[] options
    ) =>
        CommandLineTool.Call([
            "submit",
            "score",
            model,
            list,
            "--output",
            server.Address,
            "--table",
            table,
            "--shards",
            shards.ToString(CultureInfo.InvariantCulture),
            "--store",
            server.Address,
            .. options,
        ]);

    private static Process Worker(PostgresServer server) =>
        CommandLineTool.Start("worker", "--store", server.Address, "--workers", "1", "--check-in", "1s");

    private static bool Restart(PostgresServer server)
    {
        server.Kill();
        Thread.Sleep(1000);
        server.Start();
        return true;
    }

    private static void Kill(Process worker)
    {
        worker.Kill();
        worker.WaitForExit();
    }

    private static long Count(PostgresServer server, string table) => Number(server, $"SELECT COUNT(*) FROM {table}");

    /// <summary>Shards whose note says that they are complete.</summary>
    private static long Finished(PostgresServer server, string table) =>
        Number(server, $"SELECT COUNT(*) FROM mlnet_transfer_batches WHERE table_name = '{table}' AND complete = 1");

    /// <summary>The last runs in the log of Quartz, whose times are in ticks of 100 ns.</summary>
    private static string LastRuns(long count) =>
        $"SELECT fired_time, run_time FROM qrtz_execution_history ORDER BY fired_time DESC LIMIT {count}";

    private static long Transactions(PostgresServer server) =>
        Number(server, "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'");

    private static long Number(PostgresServer server, string query) =>
        Convert.ToInt64(server.Scalar(query), CultureInfo.InvariantCulture);
}
