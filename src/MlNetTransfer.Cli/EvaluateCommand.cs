using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>evaluate: a model's figures on labelled images.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<EvaluateOptions>(new EvaluateOptions { Model = "-", Folder = "-" });
        Argument model = flags.Model((o, path) => o with { Model = path });
        Argument folder = flags.Argument(
            "folder",
            "Folder with one folder of images per class of the model, a .csv, .tsv, .jsonl or .ndjson list, or a .zip. "
                + "Of images that come with a split, the test part counts; without one, the validation part.",
            (o, path) => o with { Folder = path }
        );
        (Option paths, Option texts, Option labels, Option empty) = flags.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        Option<string?> output = ResultFile.Output();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("evaluate", "Evaluate a model on labelled images.")
        {
            model,
            folder,
            paths,
            texts,
            labels,
            empty,
            output,
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
            json,
        };
        command.SetAction(parsed =>
        {
            ModelEvaluation summary = terminal.Run(new EvaluateJob(flags.Read(parsed)), cancellation);
            ResultFile.Write(parsed.GetValue(output), PredictionRows.Of(summary));
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ModelEvaluation summary)
    {
        string images = summary.TrainingImagesKnown ? "images it was not trained on" : "these images";
        if (summary.Unseen is { } unseen)
        {
            console.WriteLine(VerdictLine.Of(unseen, images));
            console.WriteLine();
            EvaluationTables.Print(console, unseen);
        }

        foreach (string line in summary.ReliabilityCheck?.Lines(summary.Reliability!) ?? [])
            console.WriteLine(line);
        if (summary.Seen is { } seen)
            console.WriteLine(Seen(seen, summary.Images));
        foreach (string note in summary.Notes)
            console.WriteLine($"Note: {note}");
        EvaluationTables.Rejected(console, summary.Rejected);
        EvaluationTables.Speed(console, summary.ImagesPerSecond, summary.Seconds);
    }

    private static string Seen(EvaluationFigures seen, int images)
    {
        string right =
            $"of those, {EvaluationTables.Percent(seen.Accuracy)} are right, which says nothing about new images";
        return seen.Images < images
            ? $"The model was trained on {seen.Images} of the {images} images; they are left out above ({right})."
            : $"THE MODEL WAS TRAINED ON ALL {images} OF THESE IMAGES, so there is no accuracy on new ones to "
                + $"report ({right}). "
                + "Evaluate it on images that it has not seen.";
    }
}
