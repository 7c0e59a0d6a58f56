using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>compare: two models on the same images.</summary>
internal static class CompareCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<CompareModelsOptions>(
            new CompareModelsOptions
            {
                First = "-",
                Second = "-",
                Folder = "-",
            }
        );
        Argument first = flags.Argument(
                "first",
                "A model file, for example the one in use.",
                (o, path) => o with { First = path },
                ModelRegistry.FileOf
            ),
            second = flags.Argument(
                "second",
                "Another model file, for example a new one.",
                (o, path) => o with { Second = path },
                ModelRegistry.FileOf
            ),
            folder = flags.Argument(
                "folder",
                "Labelled images as for evaluate; those that a model was trained on are left out.",
                (o, path) => o with { Folder = path }
            );
        (Option paths, Option texts, Option labels, Option empty) = flags.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        Option<bool> json = CommonOptions.Json();
        var command = new Command("compare", "Tell which of two models is better on the same images, if either is.")
        {
            first,
            second,
            folder,
            flags.Number<double>(
                "--margin",
                "Difference in accuracy that does not matter: 0.02 is two points.",
                "share",
                (o, margin) => o with { Margin = margin },
                o => o.Margin
            ),
            paths,
            texts,
            labels,
            empty,
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
            json,
        };
        command.SetAction(parsed =>
        {
            ModelsComparison found = terminal.Run(new CompareModelsJob(flags.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(found);
            else
                Print(terminal.Output, found);
            return found.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ModelsComparison found)
    {
        console.WriteLine(Verdict(found));
        console.WriteLine();
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("model");
        table.AddColumn(new TableColumn("accuracy").RightAligned());
        table.AddColumn(new TableColumn("95 %").RightAligned());
        table.AddColumn(new TableColumn("right alone").RightAligned());
        foreach (
            (Side side, int alone) in new[]
            {
                (found.First, found.OnlyFirstRight),
                (found.Second, found.OnlySecondRight),
            }
        )
            table.AddRow(
                new Text(side.Model),
                new Text(EvaluationTables.Percent(side.Accuracy)),
                new Text(
                    $"{EvaluationTables.Percent(side.AccuracyInterval[0])} to "
                        + $"{EvaluationTables.Percent(side.AccuracyInterval[1])}"
                ),
                new Text(FormattableString.Invariant($"{alone} images"))
            );
        console.Write(table);
        Evaluation.Estimate loss = found.LogLossDifference;
        console.WriteLine(
            FormattableString.Invariant($"McNemar's exact test: p = {found.McNemarP:g3}. Log-loss of the second less ")
                + FormattableString.Invariant($"that of the first: {loss.Value:f3} nats (95 %: {loss.Low:f3} to ")
                + FormattableString.Invariant($"{loss.High:f3}).")
        );
        if (found.LeftOut > 0)
            console.WriteLine(
                $"{found.LeftOut} images are left out: one of the models was trained on them, or could not use them."
            );
        foreach (string note in found.Notes)
            console.WriteLine($"Note: {note}");
        EvaluationTables.Rejected(console, found.Rejected);
    }

    /// <summary>What a comparison says, in a sentence.</summary>
    public static string Verdict(ModelsComparison found) =>
        Facts(found, "the first model", "the second")
        + (found.Verdict is ComparisonVerdict.TooFewImages ? " Compare on more images, or keep the one in use." : "");

    /// <summary>What the images say of two models.</summary>
    /// <param name="found">The comparison.</param>
    /// <param name="first">What the first is called.</param>
    /// <param name="second">What the second is called.</param>
    public static string Facts(ModelsComparison found, string first, string second)
    {
        string difference =
            $"{second} has {EvaluationTables.Points(found.Difference)} points more than {first} (95 %: "
            + $"{EvaluationTables.Points(found.DifferenceInterval)}, {found.Images} images)";
        return found.Verdict switch
        {
            ComparisonVerdict.SecondIsBetter => $"{Capital(second)} is better: {difference}.",
            ComparisonVerdict.FirstIsBetter => $"{Capital(first)} is better: {difference}.",
            ComparisonVerdict.AsGood =>
                $"Neither is better by more than {EvaluationTables.Points(found.Margin)} points: {difference}.",
            _ => $"Too few images to tell: {difference}.",
        };
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
