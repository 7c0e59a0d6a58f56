using System.CommandLine;
using MlNetTransfer.Datasets;
using MlNetTransfer.Scoring;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>score: a batch of any size, one row for every input.</summary>
internal static class ScoreCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Flags<ScoreOptions> flags = ScoreFlags.New();
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "score",
            "Score a batch of images of any size: every input becomes exactly one row, however often the program is "
                + "killed. Run the same command again and it goes on."
        )
        {
            flags.Written(
                "--shard",
                "Score one part of several, e.g. 2/5: the second of five. Parts are made by the digest of each key, so "
                    + "that any scheduler can start them. Files: give each part its own --output.",
                "i/n",
                Shard.Parse,
                (o, shard) => o with { Shard = shard }
            ),
            flags.Number<long>("--limit", "Score the first inputs only.", "n", (o, limit) => o with { Limit = limit }),
            flags.Switch(
                "--restart",
                "Throw away what an interrupted or another batch left at the output, and begin anew.",
                o => o with { Restart = true }
            ),
            flags.Workers(),
            json,
        };
        ScoreFlags.AddTo(command, flags);
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
            if (summary.Rejected > 0)
                console.WriteLine(
                    FormattableString.Invariant(
                        $"{summary.Rejected:N0} of them are inputs that could not be used; the "
                    ) + "column 'error' says why. Once that is mended, --restart scores all anew."
                );
            return;
        }

        console.WriteLine(
            FormattableString.Invariant($"{summary.Rows:N0} rows in {summary.Output}, one for every input.")
        );
        if (summary.Saved is > 0.005)
            console.WriteLine(
                FormattableString.Invariant(
                    $"What the models have in common ran once: {summary.Saved:p0} less work than a run for each."
                )
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
            FormattableString.Invariant($"{summary.Rejected:N0} could not be used; the column 'error' says why.")
                + (summary.FirstRejected.Count > 0 ? " The first:" : "")
        );
        foreach (RejectedItem image in summary.FirstRejected)
            console.WriteLine($"  {image.File}: {image.Reason}");
    }
}
