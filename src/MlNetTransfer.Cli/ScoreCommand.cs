using System.CommandLine;
using MlNetTransfer.Datasets;
using MlNetTransfer.Scoring;
using MlNetTransfer.Selective;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>score: a batch of any size, one row for every input.</summary>
internal static class ScoreCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ScoreOptions>(
            new ScoreOptions
            {
                Model = "-",
                Input = "-",
                Output = "-",
            }
        );
        Option output = flags.Text(
            "--output",
            "Where the rows go: a .csv, .jsonl or .parquet file, or a database: sqlite:FILE, a .db or .sqlite file, "
                + "or postgres://user@host/database (the password in PGPASSWORD).",
            "file|address",
            (o, output) => o with { Output = output }
        );
        output.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "score",
            "Score a batch of images of any size: every input becomes exactly one row, however often the program is "
                + "killed. Run the same command again and it goes on."
        )
        {
            flags.Model((o, path) => o with { Model = path }),
            flags.Argument(
                "input",
                "A folder, a .csv, .tsv, .jsonl, .ndjson or .parquet list with a column of paths, a .txt file "
                    + "with a path a line, a .zip, .tar or .tar.gz archive, a database (sqlite:FILE, postgres://…) "
                    + "with --query, or - for paths on standard input.",
                (o, input) => o with { Input = input }
            ),
            output,
            flags.Text(
                "--table",
                "The table of a database that rows go to.",
                "name",
                (o, table) => o with { Table = table },
                o => o.Table
            ),
            flags.Text(
                "--path-column",
                "The column of a list or query that has the paths. Default: path, image, file and their like.",
                "name",
                (o, name) => o with { PathColumn = name }
            ),
            flags.Text(
                "--query",
                "Of a database: the table, or the SELECT, whose rows are scored; its columns go along.",
                "sql",
                (o, query) => o with { Query = query }
            ),
            flags.Text(
                "--key-column",
                "The column of the query that tells its rows apart and orders them. Default: id.",
                "name",
                (o, name) => o with { KeyColumn = name }
            ),
            flags.Text(
                "--bytes-column",
                "The column of the query that has the images themselves, encoded, instead of paths.",
                "name",
                (o, name) => o with { BytesColumn = name }
            ),
            flags.Number<int>(
                "--top",
                "Classes to list per image: prediction, prediction_2 and so on, each with its probability.",
                "1..100",
                (o, top) => o with { Top = top },
                o => o.Top
            ),
            flags.Switch(
                "--probabilities",
                "Add a column for the probability of every class.",
                o => o with { Probabilities = true }
            ),
            flags.Choice<ClassSetKind>(
                "--sets",
                "How the set of classes that come into question is made. lac: the smallest sets on average; raps: "
                    + "larger ones for harder images.",
                (o, kind) => o with { Sets = kind },
                o => o.Sets
            ),
            flags.Written(
                "--shard",
                "Score one part of several, e.g. 2/5: the second of five. Parts are made by the digest of each key, so "
                    + "that any scheduler can start them. Files: give each part its own --output.",
                "i/n",
                Shard.Parse,
                (o, shard) => o with { Shard = shard }
            ),
            flags.Number<long>("--limit", "Score the first inputs only.", "n", (o, limit) => o with { Limit = limit }),
            flags.Number<long>(
                "--max-errors",
                "End with an error when more inputs than this are rejected. Default: any number; each has its row.",
                "n",
                (o, errors) => o with { MaxErrors = errors }
            ),
            flags.Number<double>(
                "--rate-limit",
                "Inputs per second at most, to spare a shared disk.",
                "per second",
                (o, rate) => o with { RateLimit = rate }
            ),
            flags.Switch(
                "--restart",
                "Throw away what an interrupted or another batch left at the output, and begin anew.",
                o => o with { Restart = true }
            ),
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
            json,
        };
        command.SetAction(parsed =>
        {
            ScoreSummary summary = Run(terminal, flags.Read(parsed), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static ScoreSummary Run(Terminal terminal, ScoreOptions options, CancellationToken cancellation)
    {
        try
        {
            return terminal.Run(new ScoreJob(options), cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            terminal.WriteError("What was scored is kept: run the same command again, and it goes on.");
            throw;
        }
    }

    private static void Print(IAnsiConsole console, ScoreSummary summary)
    {
        if (summary.WasComplete)
        {
            console.WriteLine(
                FormattableString.Invariant(
                    $"Nothing to do: {summary.Output} has all {summary.Rows:N0} rows of this batch already."
                )
            );
            return;
        }

        console.WriteLine(
            FormattableString.Invariant($"{summary.Rows:N0} rows in {summary.Output}, one for every input.")
        );
        if (summary.FromBefore > 0)
            console.WriteLine(
                FormattableString.Invariant($"{summary.FromBefore:N0} of them an earlier run had written.")
            );
        console.WriteLine(
            FormattableString.Invariant(
                $"{summary.Rows - summary.FromBefore:N0} scored now in {summary.Seconds:f1} s, "
            ) + FormattableString.Invariant($"{summary.ImagesPerSecond:f0} a second.")
        );
        if (summary.Rejected == 0)
            return;
        console.WriteLine(
            FormattableString.Invariant(
                $"{summary.Rejected:N0} could not be used; the column 'error' says why. The first:"
            )
        );
        foreach (RejectedItem image in summary.FirstRejected)
            console.WriteLine($"  {image.File}: {image.Reason}");
    }
}
