using System.CommandLine;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;

namespace MlNetTransfer.Cli;

/// <summary>report: the page of a finished run again, and several runs side by side.</summary>
internal static class ReportCommand
{
    private const string Comparison = "comparison.html";

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var runs = new Argument<string[]>("run")
        {
            Description = "Output folder of 'mlnet-transfer train'; several, to compare them.",
            Arity = ArgumentArity.OneOrMore,
        };
        var images = new Option<string?>("--images")
        {
            Description = "Where the labelled images are now, if they have moved: the folder, list or zip of 'train'.",
            HelpName = "folder",
        };
        var output = new Option<string?>("--output")
        {
            Description =
                $"The page to write. Default: {HtmlReport.FileName} in the run's folder; of several runs, "
                + $"{Comparison} here.",
            HelpName = "file",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "report",
            "Make report.html again from the files of a run, or a page that compares several runs on the images that "
                + "they share."
        )
        {
            runs,
            images,
            output,
            json,
        };
        command.SetAction(parsed =>
        {
            string[] folders = parsed.GetRequiredValue(runs);
            FinishedRun[] finished = [.. folders.Select(f => FinishedRun.Load(f, parsed.GetValue(images)))];
            HtmlReportSummary written =
                finished.Length == 1
                    ? HtmlReport.Write(
                        finished[0],
                        parsed.GetValue(output) ?? Path.Combine(folders[0], HtmlReport.FileName),
                        cancellation: cancellation
                    )
                    : ComparisonReport.Write(
                        finished,
                        parsed.GetValue(output) ?? Comparison,
                        cancellation: cancellation
                    );
            if (parsed.GetValue(json))
                terminal.WriteJson(written);
            else
                Print(terminal, written);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>
    /// Writes the page of a run beside its model, or takes that of an earlier model away. The model is written already,
    /// so that no failure here may fail the run.
    /// </summary>
    /// <returns>The page; null where there is none.</returns>
    public static string? AfterTraining(
        Terminal terminal,
        TrainSummary summary,
        bool wanted,
        CancellationToken cancellation
    )
    {
        string page = Path.Combine(summary.Options.Output, HtmlReport.FileName);
        try
        {
            File.Delete(page);
            if (!wanted)
                return null;
            HtmlReport.Write(FinishedRun.Of(summary), page, cancellation: cancellation);
            return page;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            terminal.WriteError(
                $"Note: {page} was not written: {e.Message} The model and its report.json are. "
                    + $"'mlnet-transfer report {summary.Options.Output}' tries again."
            );
        }
        catch (OperationCanceledException)
        {
            terminal.WriteError($"Note: {page} was not written, since the run was ended. The model is.");
        }

        return null;
    }

    private static void Print(Terminal terminal, HtmlReportSummary written)
    {
        string left = written.LeftOut > 0 ? $", {written.LeftOut} left out" : "";
        terminal.WriteText(
            FormattableString.Invariant(
                $"{written.Path}: {written.Bytes / 1000.0:N0} kB, {written.Thumbnails} pictures{left}.\n"
            )
        );
    }
}

/// <summary>A command line as it would be typed again in a POSIX shell.</summary>
internal static class TypedCommand
{
    public static string Of(ParseResult parsed) =>
        string.Join(' ', parsed.Tokens.Select(t => Quoted(t.Value)).Prepend("mlnet-transfer"));

    /// <summary>train on images that were read in this way.</summary>
    public static string Train(string folder, DatasetOptions dataset)
    {
        (string Flag, string? Column)[] columns =
        [
            ("--path-column", dataset.PathColumn),
            ("--text-column", dataset.TextColumn),
            ("--label-column", dataset.LabelColumn),
        ];
        return string.Join(
            ' ',
            columns
                .Where(given => given.Column is not null)
                .Select(given => $"{given.Flag} {Quoted(given.Column!)}")
                .Prepend($"mlnet-transfer train {Quoted(folder)}")
        );
    }

    private static string Quoted(string token) =>
        token.Length > 0 && token.All(c => char.IsAsciiLetterOrDigit(c) || "-_./,:=+@%".Contains(c))
            ? token
            : $"'{token.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
