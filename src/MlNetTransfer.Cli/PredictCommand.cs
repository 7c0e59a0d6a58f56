using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Selective;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>predict: the likeliest classes of images.</summary>
internal static class PredictCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<PredictOptions>(new PredictOptions { Model = "-", Images = ["-"] });
        Argument model = flags.Model((o, path) => o with { Model = path });
        Argument inputs = flags.Files(
            "images",
            "Image files, folders and .zip archives of images, and .csv, .tsv, .jsonl or .ndjson lists with a path "
                + "column, or of texts (--text-column).",
            (o, images) => o with { Images = images },
            least: 0
        );
        Option texts = flags.Repeated(
            "--text",
            "A text to predict the class of, for a model of texts; as often as wanted.",
            "text",
            (o, given) => o with { Texts = given }
        );
        Option<string?> output = ResultFile.Output();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("predict", "Predict the classes of images.")
        {
            model,
            inputs,
            flags.TextColumn((o, name) => o with { TextColumn = name }),
            texts,
            flags.Top(),
            flags.Choice<ClassSetKind>(
                "--sets",
                "How the set of classes that come into question is made. lac: the smallest sets on average; raps: "
                    + "larger ones for harder images. How often they hold the true class was set in training "
                    + "(--coverage).",
                (o, kind) => o with { Sets = kind },
                o => o.Sets
            ),
            output,
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
            json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(inputs) is not { Tokens.Count: > 0 } && result.GetResult(texts) is null)
                result.AddError("Nothing to predict was given: give images or lists, or --text.");
        });
        command.SetAction(parsed =>
        {
            PredictionSummary summary = terminal.Run(new PredictJob(flags.Read(parsed)), cancellation);
            PredictionTable.RequireSome(summary);
            ResultFile.Write(parsed.GetValue(output), PredictionRows.Of(summary));
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                PredictionTable.Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }
}

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
        bool isReliable = summary.Predictions.Any(p => p.Set is not null || p.Unknown is not null);
        if (isReliable)
            table.AddColumn("remark");
        foreach (Prediction p in summary.Predictions)
        {
            string next = string.Join(
                ", ",
                p.Top.Skip(1).Select(t => FormattableString.Invariant($"{t.Label} {t.Probability:f3}"))
            );
            Text[] cells =
            [
                new(p.File),
                new(p.Label),
                new(FormattableString.Invariant($"{p.Probability:f3}")),
                new(next),
                new(Remark(p)),
            ];
            table.AddRow(isReliable ? cells : cells[..^1]);
        }

        if (summary.Predictions.Count > 0)
            console.Write(table);
        EvaluationTables.Rejected(console, summary.Rejected);
    }

    /// <summary>What a reader should not overlook: an image that the model has no business with, or a doubt.</summary>
    private static string Remark(Prediction p)
    {
        if (p.Unknown == true)
            return "unknown: unlike any training image";
        if (p.Abstained != true)
            return "";
        return p.Set is { Count: > 1 } set ? $"not sure: {string.Join(" or ", set)}" : "not sure";
    }
}
