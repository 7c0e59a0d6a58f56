using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>export: a trained model in another form, checked on real images.</summary>
internal static class ExportCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var format = new Option<string>("--format")
        {
            Description =
                "The form.\n" + string.Join("\n", ExportFormats.All.Select(f => $"{f.Name}: {f.Description}")),
            Required = true,
            HelpName = string.Join('|', ExportFormats.All.Select(f => f.Name)),
        };
        format.AcceptOnlyFromAmong([.. ExportFormats.All.Select(f => f.Name)]);
        var images = new Option<string[]>("--images")
        {
            Description =
                "Images that the export is checked on before it is kept: a folder, a .zip, a .csv, .tsv, .jsonl or "
                + ".ndjson list, or image files.",
            HelpName = "folder|list|zip",
            AllowMultipleArgumentsPerToken = true,
        };
        var maxImages = Numbers.Within(
            new Option<int>("--max-images")
            {
                Description = "Most images to check on, evenly spread over those given.",
                DefaultValueFactory = _ => Models.ModelWriter.ParityImages,
                HelpName = "n",
            },
            1,
            100_000
        );
        var calibration = new Option<string[]>("--calibration-images")
        {
            Description =
                "For int8: images that ranges are taken from, none of which it is judged on. Default: --images are "
                + "divided, class by class.",
            HelpName = "folder|list|zip",
            AllowMultipleArgumentsPerToken = true,
        };
        var maxLoss = Numbers.Within(
            new Option<double>("--max-loss")
            {
                Description =
                    "For int8: the greatest share of the labels, of all images or of one class, that may change for "
                    + "the worse, beyond what the number of images explains.",
                DefaultValueFactory = _ => new Int8Options().MaxLoss,
                HelpName = "0..1",
            },
            0,
            1
        );
        var autoFloat = new Option<bool>("--auto-float")
        {
            Description =
                "For int8: leave the most sensitive layers in float, as few as --max-loss allows. Otherwise such a "
                + "loss is an error that names them.",
        };
        var output = new Option<string?>("--output")
        {
            Description = "The file to write. Default: named after the format, beside the model.",
            HelpName = "file",
        };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace files that are there." };
        var drift = Numbers.Within(
            new Option<double>("--allow-drift")
            {
                Description =
                    "Keep an export whose probabilities differ from the evaluated ones by up to this, whatever its "
                    + "format's own limit. It is recorded in the file.",
                HelpName = "0..1",
            },
            0,
            1
        );
        var features = new Option<bool>("--features") { Description = "Give out the features too." };
        var logits = new Option<bool>("--logits") { Description = "Give out the calibrated logits too." };
        Option<int> workers = CommonOptions.Workers();
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "export",
            "Write a trained model in another form, once it has agreed with the evaluated model on real images."
        )
        {
            model,
            format,
            images,
            maxImages,
            calibration,
            maxLoss,
            autoFloat,
            output,
            overwrite,
            drift,
            features,
            logits,
            workers,
            json,
        };
        command.SetAction(parsed =>
        {
            var options = new ExportOptions
            {
                Model = parsed.GetRequiredValue(model),
                Format = parsed.GetRequiredValue(format),
                Images = Patterns.Expand(parsed.GetValue(images) ?? []),
                MaxImages = parsed.GetValue(maxImages),
                CalibrationImages = Patterns.Expand(parsed.GetValue(calibration) ?? []),
                Quantization = new Int8Options
                {
                    MaxLoss = parsed.GetValue(maxLoss),
                    AutoFloat = parsed.GetValue(autoFloat),
                },
                Output = parsed.GetValue(output),
                Overwrite = parsed.GetValue(overwrite),
                AllowDrift = parsed.GetResult(drift) is { Implicit: false } ? parsed.GetValue(drift) : null,
                WithFeatures = parsed.GetValue(features),
                WithLogits = parsed.GetValue(logits),
                Workers = parsed.GetValue(workers),
            };
            ExportSummary summary = terminal.Run(new ExportJob(options), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ExportSummary summary)
    {
        foreach (ExportedFile file in summary.Files)
            console.WriteLine(FormattableString.Invariant($"{file.Path}  {file.Bytes:N0} bytes  sha256 {file.Sha256}"));
        ExportRecord parity = summary.Parity;
        string compared =
            parity.Check == ExportCheck.File ? summary.Format : $"the graph with the weights of {summary.Format}";
        if (parity.CalibrationImages is { } calibrated)
            console.WriteLine(
                FormattableString.Invariant($"Calibrated on {calibrated} images, checked on {parity.Images} others.")
            );
        console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"On {parity.Images} images {compared} differs from the evaluated model by at most "
                    + $"{parity.MaxDifference:g3} in probability (mean {parity.MeanDifference:g3}); "
                    + $"{parity.LabelFlips} labels differ."
            )
        );
        console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"Accepted up to {parity.Tolerance:g3}{(parity.Override ? ", as --allow-drift said" : "")}; "
                    + $"recorded in the file."
            )
        );
        EvaluationTables.Rejected(console, summary.Rejected);
    }
}
