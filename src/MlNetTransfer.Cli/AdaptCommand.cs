using System.CommandLine;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>adapt: a classifier for images without labels, from labelled images that look different.</summary>
internal static class AdaptCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<AdaptOptions>(
            new AdaptOptions
            {
                Source = "-",
                Target = "-",
                Output = "-",
            }
        );
        Option source = flags.Text(
                "--source",
                "Labelled images, as of 'mlnet-transfer train'; all of them are trained on.",
                "folder",
                (o, path) => o with { Source = path }
            ),
            target = flags.Text(
                "--target",
                "Images of the kind that the model is for: a folder, a list or a zip. Labels are not looked at; ten "
                    + "images at least, a hundred are better, with about the same mix of classes as the labelled ones.",
                "folder",
                (o, path) => o with { Target = path }
            ),
            output = flags.Text(
                "--output",
                "Folder for model.onnx, report.json and predictions.csv.",
                "folder",
                (o, path) => o with { Output = path }
            );
        source.Required = target.Required = output.Required = true;
        (Option paths, Option texts, Option labels, Option empty) = flags.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "adapt",
            "Train on labelled images for others that look different and have no labels: photos to drawings, one "
                + "camera to another. Keeps the unadapted model where the target gives no reason to adapt."
        )
        {
            source,
            target,
            output,
            flags.Choice(
                "--method",
                "How the labelled images' features are moved to where the others' lie. auto: the simplest method "
                    + "that the images support. "
                    + string.Join("; ", AlignmentMethod.All.Select(m => $"{m.Label}: {m.Description}"))
                    + ".",
                ["auto", .. AlignmentMethod.All.Names],
                name => name,
                (o, name) => o with { Method = name == "auto" ? null : AlignmentMethod.All.Find(name) },
                "auto"
            ),
            flags.Switch(
                "--score-target",
                "The target has labels after all, as the source has them: say how good the model and every method are. "
                    + "Nothing that is chosen or trained looks at them.",
                o => o with { ScoreTarget = true }
            ),
            flags.Choice("--head", "Kind of head.", HeadKind.All, (o, head) => o with { Head = head }, o => o.Head),
            paths,
            texts,
            labels,
            empty,
        };
        foreach (Option option in (Option[])[.. flags.OfFeatures(), json])
            command.Add(option);
        command.SetAction(parsed =>
        {
            AdaptSummary summary = terminal.Run(
                new AdaptJob(flags.Read(parsed), new JobServices { Command = TypedCommand.Of(parsed) }),
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

    private static void Print(IAnsiConsole console, AdaptSummary summary)
    {
        foreach (string line in Verdict(summary))
            console.WriteLine(line);
        console.WriteLine();
        console.Write(Table(summary));
        if (summary.Trials.Any(trial => trial.Accuracy is not null))
            console.WriteLine("* by the head that methods are compared with; that of the model is chosen afterwards.");
        console.WriteLine(
            FormattableString.Invariant($"{summary.Source} labelled images, {summary.Target} of the target; ")
                + FormattableString.Invariant($"{summary.Head} on {string.Join(", ", summary.Taps)} of ")
                + FormattableString.Invariant($"{summary.Backbone}; {summary.Seconds:f1} s.")
        );
        foreach (string note in summary.Notes)
            console.WriteLine($"Note: {note}");
        EvaluationTables.Rejected(console, summary.Rejected);
        console.WriteLine(
            FormattableString.Invariant(
                $"Model {summary.Model}: agrees with what was found on {summary.Parity.Images} "
            ) + FormattableString.Invariant($"target images (largest difference {summary.Parity.MaxDifference:g1}).")
        );
        if (summary.Judged is null)
            console.WriteLine(
                $"Next: label some of the target's images, then mlnet-transfer evaluate {summary.Model} FOLDER. "
                    + "Without labels nobody can say how often it is right."
            );
    }

    private static IEnumerable<string> Verdict(AdaptSummary summary)
    {
        AlignmentTrial taken = summary.Taken;
        bool isAdapted = taken.Method != AlignmentMethod.None;
        yield return isAdapted
            ? FormattableString.Invariant($"Adapted by {taken.Method.Label}: {summary.Changed} of {summary.Target} ")
                + "target images get another class than from a model of the labelled images as they are."
            : Unadapted(summary);
        if (summary.Judged is not { } judged)
            yield break;
        string right =
            $"{EvaluationTables.Percent(judged.Accuracy)} of the target's images are right (95 %: "
            + $"{EvaluationTables.Percent(judged.AccuracyInterval[0])} to "
            + $"{EvaluationTables.Percent(judged.AccuracyInterval[1])})";
        yield return isAdapted
            ? $"{right}; unadapted {EvaluationTables.Percent(judged.UnadaptedAccuracy)}. {Difference(judged)}"
            : right + ".";
    }

    private static string Unadapted(AdaptSummary summary) =>
        summary.Options.Method is not null ? "Not adapted, as asked: the model is that of the labelled images."
        : summary.Trials.Any(trial => trial.Gain > 2 * trial.GainError)
            ? "Not adapted: what the target's images support would mix up the classes of the labelled ones. The model "
                + "is that of the labelled images."
        : "Not adapted: the target's images give no reason to. The model is that of the labelled images.";

    private static string Difference(AdaptJudgement judged) =>
        judged.Verdict switch
        {
            TransferVerdict.Helped => $"Adapting helped: {Gain(judged)}.",
            TransferVerdict.Harmed => $"ADAPTING HARMED: {Gain(judged)}. Take --method none.",
            _ => $"The difference, {Gain(judged)}, is too small to show with this many images.",
        };

    private static string Gain(AdaptJudgement judged) =>
        $"{EvaluationTables.Points(judged.Gain)} points ({EvaluationTables.Points(judged.GainInterval)})";

    private static Table Table(AdaptSummary summary)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("method");
        bool known = summary.Trials.Any(trial => trial.Accuracy is not null);
        foreach (
            string column in (string[])
                [
                    "information, nats",
                    "gain over none",
                    "labelled images right",
                    "classes kept",
                    "distance, 0 to 2",
                    .. known ? (string[])["target right*"] : [],
                ]
        )
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (AlignmentTrial trial in summary.Trials)
        {
            string[] cells =
            [
                trial.Method.Label + (trial.Taken ? "  (taken)" : ""),
                FormattableString.Invariant($"{trial.Scores.Information:f3}"),
                trial.Method == AlignmentMethod.None
                    ? ""
                    : FormattableString.Invariant($"{trial.Gain:+0.000;-0.000} ± {trial.GainError:0.000}"),
                EvaluationTables.Percent(trial.SourceAccuracy),
                trial.KeepsClasses ? "yes" : "no",
                FormattableString.Invariant($"{trial.Distance.Distance:f2}"),
                .. trial.Accuracy is { } accuracy ? (string[])[EvaluationTables.Percent(accuracy)] : [],
            ];
            table.AddRow([.. cells.Select(cell => new Text(cell))]);
        }

        return table;
    }
}
