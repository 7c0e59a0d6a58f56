using System.CommandLine;
using MlNetTransfer.Checks;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>check: what is wrong with labelled images, before anything is trained on them.</summary>
internal static class CheckCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<CheckOptions>(new CheckOptions { Folder = "-" });
        Argument folder = flags.Argument(
            "folder",
            "Labelled images, as of 'mlnet-transfer train'; one class is enough.",
            (o, path) => o with { Folder = path }
        );
        (Option paths, _, Option labels, Option empty) = flags.Columns((o, dataset) => o with { Dataset = dataset });
        Option apply = flags.Text(
            "--apply",
            "Write a list without unreadable images and all but one of those that are the same, to train on: a .csv or "
                + ".jsonl. Images are never touched. Of an archive there is none.",
            "file",
            (o, path) => o with { Apply = path }
        );
        Option drop = flags.Written(
            "--drop",
            $"With --apply: leave out the images of these findings too: {string.Join(", ", CheckOptions.DropNames)}.",
            "kind,...",
            CommonOptions.Listed,
            (o, kinds) => o with { Drop = kinds }
        );
        Option<string?> output = ResultFile.Output(
            "finding to this file as well: a .csv, .jsonl or .parquet with its kind, severity, files, class, score and "
                + "message."
        );
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "check",
            "Check labelled images: unreadable, duplicate and leaked images, wrong labels, outliers, small classes. "
                + $"Exit code {ExitCode.SomeFound} when something was found."
        )
        {
            folder,
            output,
            apply,
            drop,
            flags.Text(
                "--backbone",
                "Pretrained backbone by which images are compared and labels checked.",
                "id[,id]",
                (o, id) => o with { Backbone = id },
                o => o.Backbone
            ),
            flags.Number<int>("--seed", "Seed of the folds.", "n", (o, seed) => o with { Seed = seed }, o => o.Seed),
            paths,
            labels,
            empty,
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.NoCache(o => o with { CacheFeatures = false }),
            json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(drop) is { Implicit: false } && result.GetResult(apply) is null or { Implicit: true })
                result.AddError("--drop has no effect here: it needs --apply. Give that, or leave --drop out.");
        });
        command.SetAction(parsed =>
        {
            CheckSummary summary = terminal.Run(new CheckJob(flags.Read(parsed)), cancellation);
            ResultFile.Write(parsed.GetValue(output), FindingRows.Of(summary));
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                CheckReport.Print(terminal.Output, summary);
            return summary.Findings.Count > 0 ? ExitCode.SomeFound : ExitCode.Done;
        });
        return command;
    }
}

/// <summary>Prints a check for people: first what to mend first, then the findings of each kind.</summary>
internal static class CheckReport
{
    private const int Shown = 8;

    public static void Print(IAnsiConsole console, CheckSummary summary)
    {
        console.WriteLine(Verdict(summary));
        console.WriteLine();
        if (summary.Findings.Count > 0)
        {
            console.Write(Counts(summary));
            console.Write(Findings(summary));
            if (summary.Counts.Values.Any(count => count > Shown))
                console.WriteLine($"The first {Shown} of each kind; --output and --json have all.");
        }

        foreach (string note in summary.Notes)
            console.WriteLine($"Note: {note}");
        if (summary.CleanedList is { } list)
            console.WriteLine(
                $"List {list} leaves {summary.LeftOut} images out. Look at the findings before you train on it."
            );
        console.WriteLine(FormattableString.Invariant($"{summary.Seconds:f1} s in all."));
    }

    private static string Verdict(CheckSummary summary)
    {
        string images = $"{summary.Images} images of {summary.Classes} class{(summary.Classes == 1 ? "" : "es")}";
        if (summary.Findings.Count == 0)
            return $"Nothing to mend: {images} were checked.";
        (FindingKind first, int count) = summary.Counts.First();
        int high = summary.Findings.Count(f => f.Severity == FindingSeverity.High);
        string all = summary.Findings.Count == 1 ? "1 finding" : $"{summary.Findings.Count} findings";
        return $"{images}: {all}, {(high == 0 ? "none" : $"{high}")} of them serious. First "
            + $"{DataFinding.ToDo(first, count)}.";
    }

    private static Table Counts(CheckSummary summary)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("kind").AddColumn(new TableColumn("findings").RightAligned()).AddColumn("severity");
        table.AddColumn("what to do");
        foreach ((FindingKind kind, int count) in summary.Counts)
            table.AddRow(
                new Text(FlagText.Of(kind)),
                new Text(FormattableString.Invariant($"{count}")),
                new Text(FlagText.Of(summary.Findings.First(f => f.Kind == kind).Severity)),
                new Text(DataFinding.ToDo(kind, count))
            );
        return table;
    }

    private static Table Findings(CheckSummary summary)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("kind").AddColumn("file or class").AddColumn("finding");
        foreach (DataFinding finding in summary.Findings.GroupBy(f => f.Kind).SelectMany(g => g.Take(Shown)))
            table.AddRow(
                new Text(FlagText.Of(finding.Kind)),
                new Text(finding.Files.ElementAtOrDefault(0) ?? finding.Class ?? ""),
                new Text(finding.Message)
            );
        return table;
    }
}
