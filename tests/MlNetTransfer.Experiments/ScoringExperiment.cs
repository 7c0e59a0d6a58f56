using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Batches by the command line as an operator runs it: killed again and again, and beside what the network alone can do.
/// </summary>
internal static class ScoringExperiment
{
    /// <param name="args">"kills N" and "rows N …", each as often as wanted, and forms of output (.csv …).</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string samples = Repository.At("data-samples/clipart"),
            model = CommandLineTool.Trained(work, samples);
        string[] forms = [.. args.Where(a => a.StartsWith('.'))];
        if (forms.Length == 0)
            forms = [".csv", ".parquet", ".db"];
        int kills = After("kills") is [var some, ..] ? some : 20;
        if (!args.Contains("rows"))
            Kills(work, samples, model, kills, forms, experiment);
        if (!args.Contains("kills"))
            Rows(work, samples, model, After("rows"), forms, experiment);
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
            string whole = work.File($"whole{form}"),
                killed = work.File($"killed{form}");
            CommandLineTool.Call("score", model, list, "--output", whole);
            var random = new Random(1);
            int done = 0;
            while (done < kills)
            {
                using Process process = CommandLineTool.Start("score", model, list, "--output", killed);
                if (process.WaitForExit(TimeSpan.FromSeconds(0.5 + 4.5 * random.NextDouble())))
                    break;
                process.Kill();
                process.WaitForExit();
                done++;
            }

            CommandLineTool.Call("score", model, list, "--output", killed);
            (long found, bool same) = Compare(whole, killed);
            table.Add(form, done, found, rows, same ? "yes" : "NO");
        }
    }

    /// <summary>Rows a second and memory by the size of the batch.</summary>
    private static void Rows(
        Scratch work,
        string samples,
        string model,
        int[] counts,
        string[] forms,
        Experiment experiment
    )
    {
        Table table = experiment.Table(
            "Batches of the samples repeated; 'predict' of 1,000 of them is what decoding and network alone take",
            Column.Text("command", 14),
            Column.Number("rows"),
            Column.Number("perSecond", "0.0"),
            Column.Number("peakMB")
        );
        string few = CommandLineTool.List(work, samples, 1000);
        (double predicted, long least) = Measured("predict", model, few, "--json");
        table.Add("predict", 1000, 1000 / predicted, least);
        foreach (int count in counts.Length > 0 ? counts : [2000, 20000])
        foreach (string form in forms)
        {
            string list = CommandLineTool.List(work, samples, count),
                output = work.File(FormattableString.Invariant($"rows{count}{form}"));
            (double seconds, long peak) = Measured("score", model, list, "--output", output);
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
