using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>evaluate: a model's figures on labelled images.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var folder = new Argument<string>("folder")
        {
            Description =
                "Folder with one folder of images per class of the model, a .csv, .tsv, .jsonl or .ndjson list, or "
                + "a .zip. Of images that come with a split, the test part counts; without one, the validation "
                + "part.",
        };
        Option<string> pathColumn = CommonOptions.PathColumn(),
            labelColumn = CommonOptions.LabelColumn();
        Option<string?> output = ResultFile.Output();
        Option<int?> megapixels = CommonOptions.MaxMegapixels();
        Option<int> workers = CommonOptions.Workers();
        Option<ExecutionProvider> device = CommonOptions.Device();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("evaluate", "Evaluate a model on labelled images.")
        {
            model,
            folder,
            pathColumn,
            labelColumn,
            output,
            megapixels,
            workers,
            device,
            json,
        };
        command.SetAction(parsed =>
        {
            var options = new EvaluateOptions
            {
                Model = parsed.GetRequiredValue(model),
                Folder = parsed.GetRequiredValue(folder),
                Dataset = new DatasetOptions
                {
                    PathColumn = parsed.GetValue(pathColumn),
                    LabelColumn = parsed.GetValue(labelColumn),
                },
                Limits = CommonOptions.Limits(parsed.GetValue(megapixels)),
                Workers = parsed.GetValue(workers),
                Device = parsed.GetValue(device),
            };
            ModelEvaluation summary = terminal.Run(new EvaluateJob(options), cancellation);
            ResultFile.Write(parsed.GetValue(output), summary);
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
