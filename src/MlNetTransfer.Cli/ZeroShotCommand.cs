using System.CommandLine;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>zero-shot: a classifier that knows classes without images from what they are like.</summary>
internal static class ZeroShotCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ZeroShotOptions>(
            new ZeroShotOptions
            {
                Folder = "-",
                Attributes = "-",
                Output = "-",
            }
        );
        Argument folder = flags.Argument(
            "folder",
            "Labelled images, as of 'mlnet-transfer train', of four classes or more; all of them are trained on.",
            (o, path) => o with { Folder = path }
        );
        Option attributes = flags.Text(
                "--attributes",
                "What every class is like, those without images too: a .csv file with a line for each class, its name "
                    + "first, then numbers, yes or no; the first line names the columns.",
                "file",
                (o, path) => o with { Attributes = path }
            ),
            output = flags.Text(
                "--output",
                "Folder for model.onnx and report.json.",
                "folder",
                (o, path) => o with { Output = path }
            );
        attributes.Required = output.Required = true;
        (Option paths, Option texts, Option labels, Option empty) = flags.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "zero-shot",
            "Train on labelled images and know other classes too, of which there are no images, from what all classes "
                + "are like. Says how well that works, by classes held out whole."
        )
        {
            folder,
            attributes,
            output,
            flags.Number<double>(
                "--penalty",
                "Penalty on what is learnt of the attributes; more where few classes have images.",
                "n",
                (o, penalty) => o with { Penalty = penalty },
                o => o.Penalty
            ),
            paths,
            texts,
            labels,
            empty,
        };
        foreach (Option option in (Option[])[.. flags.OfFeatures(), json])
            command.Add(option);
        command.SetAction(parsed =>
        {
            ZeroShotSummary summary = terminal.Run(
                new ZeroShotJob(flags.Read(parsed), new JobServices { Command = TypedCommand.Of(parsed) }),
                cancellation
            );
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ZeroShotSummary summary)
    {
        ZeroShotJudgement judged = summary.Judgement;
        console.WriteLine(
            $"Knows {summary.Classes.Count} classes, {summary.Described.Count} of them without images: "
                + $"{string.Join(", ", summary.Described)}."
        );
        console.WriteLine(
            $"Classes with images, held out whole as if they had none: "
                + $"{EvaluationTables.Percent(judged.AmongThemselves)} of {judged.WithoutImages} images are taken for "
                + $"the right one of those held out together (guessing: {EvaluationTables.Percent(judged.Chance)}), "
                + $"{EvaluationTables.Percent(judged.Without)} for the right one of all classes."
        );
        console.WriteLine(
            $"What that costs: of the other classes {EvaluationTables.Percent(judged.With)} of {judged.WithImages} "
                + $"images held out are right, and {EvaluationTables.Percent(judged.WithAlone)} where the classes "
                + "without images are no choice."
        );
        console.WriteLine(
            FormattableString.Invariant($"{summary.Images} images, {summary.Attributes.Count} attributes; ")
                + FormattableString.Invariant($"{string.Join(", ", summary.Taps)} of {summary.Backbone}; ")
                + FormattableString.Invariant($"{summary.Seconds:f1} s.")
        );
        foreach (string note in summary.Notes)
            console.WriteLine($"Note: {note}");
        EvaluationTables.Rejected(console, summary.Rejected);
        console.WriteLine(
            FormattableString.Invariant($"Model {summary.Model}: agrees with what was fitted on ")
                + FormattableString.Invariant($"{summary.Parity.Images} images (largest difference ")
                + FormattableString.Invariant($"{summary.Parity.MaxDifference:g1}).")
        );
        console.WriteLine(
            $"Next: collect some images of {summary.Described[0]}, then mlnet-transfer evaluate {summary.Model} "
                + "FOLDER; with five of each, mlnet-transfer train --class-weights balanced is better."
        );
    }
}
