using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>Prints predictions for people.</summary>
internal static class PredictionTable
{
    /// <exception cref="TransferException">There is no prediction; the first reason is in the message.</exception>
    public static void RequireSome(PredictionSummary summary)
    {
        if (summary.Predictions.Count > 0)
            return;
        throw new TransferException(
            summary.Rejected is [var first, ..]
                ? $"No image could be used; the first of {summary.Rejected.Count} rejected: {first.File}: "
                    + $"{first.Reason}."
                : "There is no image among the inputs. Give image files, or folders, archives or lists of images."
        );
    }

    public static void Print(IAnsiConsole console, PredictionSummary summary)
    {
        var table = new Table { Border = TableBorder.Simple };
        table
            .AddColumn("file")
            .AddColumn("label")
            .AddColumn(new TableColumn("probability").RightAligned())
            .AddColumn("next");
        foreach (Prediction p in summary.Predictions)
        {
            string next = string.Join(
                ", ",
                p.Top.Skip(1).Select(t => FormattableString.Invariant($"{t.Label} {t.Probability:f3}"))
            );
            table.AddRow(
                new Text(p.File),
                new Text(p.Label),
                new Text(FormattableString.Invariant($"{p.Probability:f3}")),
                new Text(next)
            );
        }

        if (summary.Predictions.Count > 0)
            console.Write(table);
        EvaluationTables.Rejected(console, summary.Rejected);
    }
}
