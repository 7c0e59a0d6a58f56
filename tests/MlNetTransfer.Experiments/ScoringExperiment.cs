using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Batches by the command line as an operator runs it: killed again and again, and beside what the network alone can do.
/// </summary>
internal static class ScoringExperiment
{
    private const string Postgres = "postgres",
        Small = "small";

    /// <param name="args">"kills N", "cut", "rows N …", and forms of output (.csv, postgres …); backbone=ID, or
    /// small for a network that costs next to nothing, so that all else is seen.</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string samples = Repository.At("data-samples/clipart"),
            backbone =
                args.FirstOrDefault(a => a.StartsWith("backbone=", StringComparison.Ordinal))?["backbone=".Length..]
                ?? BackboneCatalog.DefaultId,
            model = CommandLineTool.Trained(work, samples, "--backbone", backbone == Small ? AddSmall(work) : backbone);
        string[] forms = [.. args.Where(a => a.StartsWith('.') || a == Postgres)];
        if (forms.Length == 0)
            forms = [".csv", ".parquet", ".db", Postgres];
        using PostgresServer? server =
            forms.Contains(Postgres) || args.Contains("cut")
                ? PostgresServer.Begin(missing => throw new TransferException(missing))
                : null;
        bool isAll = !args.Any(a => a is "kills" or "cut" or "rows");
        if (isAll || args.Contains("kills"))
            Kills(work, samples, model, After("kills") is [var some, ..] ? some : 20, forms, server, experiment);
        if (isAll || args.Contains("cut"))
            Cut(work, samples, model, server!, experiment);
        if (isAll || args.Contains("rows"))
            Rows(work, samples, model, After("rows"), forms, server, experiment);
        return 0;

        int[] After(string word) =>
            [
                .. args.SkipWhile(a => a != word)
                    .Skip(1)
                    .TakeWhile(a => int.TryParse(a, CultureInfo.InvariantCulture, out _))
                    .Select(a => int.Parse(a, CultureInfo.InvariantCulture)),
            ];
    }

    /// <summary>One batch, killed at random moments until it is complete, beside one that nobody disturbs.</summary>
    private static void Kills(
        Scratch work,
        string samples,
        string model,
        int kills,
        string[] forms,
        PostgresServer? server,
        Experiment experiment
    )
    {
        const int rows = 1500;
        Table table = experiment.Table(
            $"A batch of {rows} rows, killed (SIGKILL) at random moments, then run to its end",
            Column.Text("output", 10),
            Column.Number("kills"),
            Column.Number("rows"),
            Column.Number("inputs"),
            Column.Text("as undisturbed", 15)
        );
        string list = CommandLineTool.List(work, samples, rows);
        foreach (string form in forms)
        {
            string[] whole = Output(work, form, "whole", server),
                killed = Output(work, form, "killed", server);
            CommandLineTool.Call(["score", model, list, .. whole]);
            var random = new Random(1);
            int done = 0;
            while (done < kills)
            {
                using Process process = CommandLineTool.Start(["score", model, list, .. killed]);
                if (process.WaitForExit(TimeSpan.FromSeconds(0.5 + 4.5 * random.NextDouble())))
                    break;
                process.Kill();
                process.WaitForExit();
                done++;
            }

            CommandLineTool.Call(["score", model, list, .. killed]);
            (long found, bool same) = form == Postgres ? Compare(server!, "killed") : Compare(whole[1], killed[1]);
            table.Add(form, done, found, rows, same ? "yes" : "NO");
        }
    }

    /// <summary>A batch whose way to the database is cut for a while, beside one that nobody disturbs.</summary>
    private static void Cut(Scratch work, string samples, string model, PostgresServer server, Experiment experiment)
    {
        const int rows = 1500;
        TimeSpan away = TimeSpan.FromSeconds(30);
        Table table = experiment.Table(
            $"A batch of {rows} rows into PostgreSQL through a proxy that lets nothing through for {away.TotalSeconds} s",
            Column.Number("rows"),
            Column.Number("inputs"),
            Column.Text("as undisturbed", 15)
        );
        string list = CommandLineTool.List(work, samples, rows);
        CommandLineTool.Call(["score", model, list, .. Output(work, Postgres, "whole", server)]);
        using var proxy = new CuttingProxy(server.Port);
        string address = server.Address.Replace(
            FormattableString.Invariant($":{server.Port}/"),
            FormattableString.Invariant($":{proxy.Port}/"),
            StringComparison.Ordinal
        );
        using Process process = CommandLineTool.Start(
            "score",
            model,
            list,
            "--output",
            address,
            "--table",
            "killed",
            "--rate-limit",
            "60"
        );
        Thread.Sleep(TimeSpan.FromSeconds(10));
        proxy.Cut();
        Thread.Sleep(away);
        proxy.Mend();
        process.WaitForExit();
        (long found, bool same) = Compare(server, "killed");
        table.Add(found, rows, same && process.ExitCode == 0 ? "yes" : "NO");
    }

    /// <summary>A backbone of two convolutions on 64 pixels.</summary>
    private static string AddSmall(Scratch work)
    {
        string file = work.File("small.onnx"),
            id = "small-for-scoring";
        var rng = new Rng(1);
        float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => 0.2f * (float)rng.NextNormal())];
        new GraphBuilder("small")
            .Input("pixels", ["N", 3, 64, 64])
            .Initializer("w1", Random(16 * 3 * 16), 16, 3, 4, 4)
            .Initializer("w2", Random(32 * 16 * 16), 32, 16, 4, 4)
            .Initializer("fc", Random(10 * 32), 10, 32)
            .Node("Conv", ["pixels", "w1"], ["c1"], Attributes.Of("strides", [4, 4]))
            .Node("Relu", ["c1"], ["r1"])
            .Node("Conv", ["r1", "w2"], ["c2"], Attributes.Of("strides", [4, 4]))
            .Node("Relu", ["c2"], ["r2"])
            .Node("GlobalAveragePool", ["r2"], ["pool"])
            .Node("Flatten", ["pool"], ["row"], Attributes.Of("axis", 1))
            .Node("Gemm", ["row", "fc"], ["logits"], Attributes.Of("transB", 1))
            .Output("logits", ["N", 10])
            .Build()
            .Save(file);
        Environment.SetEnvironmentVariable("MLNETTRANSFER_HOME", work.File("home"));
        CommandLineTool.Call("models", "add", file, "--id", id, "--preprocessing", "unit", "--overrule");
        return id;
    }

    /// <summary>Where rows go: --output and what belongs to it.</summary>
    private static string[] Output(Scratch work, string form, string name, PostgresServer? server) =>
        form == Postgres ? ["--output", server!.Address, "--table", name] : ["--output", work.File($"{name}{form}")];

    private static (long Rows, bool Same) Compare(PostgresServer server, string table)
    {
        long Number(string query) => Convert.ToInt64(server.Scalar(query), CultureInfo.InvariantCulture);
        return (
            Number($"SELECT COUNT(*) FROM {table}"),
            Number($"SELECT COUNT(*) FROM (TABLE whole EXCEPT ALL TABLE {table}) AS q")
                + Number($"SELECT COUNT(*) FROM (TABLE {table} EXCEPT ALL TABLE whole) AS q")
                == 0
        );
    }

    /// <summary>Rows a second and memory by the size of the batch.</summary>
    private static void Rows(
        Scratch work,
        string samples,
        string model,
        int[] counts,
        string[] forms,
        PostgresServer? server,
        Experiment experiment
    )
    {
        Table table = experiment.Table(
            "Batches of the samples repeated; 'predict' of 20,000 of them is what decoding and network alone take",
            Column.Text("command", 14),
            Column.Number("rows"),
            Column.Number("perSecond", "0.0"),
            Column.Number("peakMB")
        );
        const int predicted = 20_000;
        string few = CommandLineTool.Folder(work, samples, predicted);
        (double took, long least) = Measured("predict", model, few, "--json");
        table.Add("predict", predicted, predicted / took, least);
        foreach (int count in counts.Length > 0 ? counts : [2000, 20000])
        foreach (string form in forms)
        {
            string list = CommandLineTool.List(work, samples, count);
            string[] output = Output(work, form, FormattableString.Invariant($"rows{count}"), server);
            (double seconds, long peak) = Measured(["score", model, list, .. output]);
            table.Add($"score {form}", count, count / seconds, peak);
        }
    }

    /// <summary>Rows of the second output, and whether it is as the first.</summary>
    private static (long Rows, bool Same) Compare(string whole, string killed)
    {
        if (Path.GetExtension(killed) != ".db")
            return (
                Path.GetExtension(killed) == ".csv" ? File.ReadLines(killed).LongCount() - 1 : -1,
                File.ReadAllBytes(whole).AsSpan().SequenceEqual(File.ReadAllBytes(killed))
            );
        string[] first = Dump(whole),
            second = Dump(killed);
        return (second.Length, first.AsSpan().SequenceEqual(second));

        static string[] Dump(string file)
        {
            using Process sqlite = Process.Start(
                new ProcessStartInfo("sqlite3", [file, "SELECT * FROM predictions ORDER BY rowid"])
                {
                    RedirectStandardOutput = true,
                }
            )!;
            return sqlite.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }

    private static (double Seconds, long Megabytes) Measured(params string[] arguments)
    {
        long started = Stopwatch.GetTimestamp();
        using Process process = CommandLineTool.Start(arguments);
        long peak = 0;
        while (!process.WaitForExit(200))
        {
            process.Refresh();
            peak = Math.Max(peak, process.HasExited ? 0 : process.PeakWorkingSet64);
        }

        return (Stopwatch.GetElapsedTime(started).TotalSeconds, peak >> 20);
    }
}
