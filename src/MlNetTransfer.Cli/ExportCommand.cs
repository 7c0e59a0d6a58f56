using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx.Quantization;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>export: a trained model in another form, checked on real images.</summary>
internal static class ExportCommand
{
    private const string Sources = "folder|list|zip";

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ExportOptions>(
            new ExportOptions
            {
                Model = "-",
                Format = "-",
                Images = [],
            }
        );
        var quantization = new Flags<Int8Options>(new Int8Options());
        flags.Part(quantization, (o, int8) => o with { Quantization = int8 });
        Option format = flags.Choice(
            "--format",
            "The form.\n" + string.Join("\n", ExportFormats.All.Select(f => $"{f.Name}: {f.Description}")),
            [.. ExportFormats.All.Select(f => f.Name)],
            name => name.ToLowerInvariant(),
            (o, name) => o with { Format = name }
        );
        format.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "export",
            "Write a trained model in another form, once it has agreed with the evaluated model on real images."
        )
        {
            flags.Model((o, path) => o with { Model = path }),
            format,
            flags.Files(
                "--images",
                "Images that the export is checked on before it is kept: a folder, a .zip, a .csv, .tsv, .jsonl or "
                    + ".ndjson list, or image files.",
                Sources,
                (o, images) => o with { Images = images }
            ),
            flags.Number<int>(
                "--max-images",
                "Most images to check on, evenly spread over those given.",
                "n",
                (o, images) => o with { MaxImages = images },
                o => o.MaxImages
            ),
            flags.Files(
                "--calibration-images",
                "For int8: images that ranges are taken from, none of which it is judged on. Default: --images are "
                    + "divided, class by class.",
                Sources,
                (o, images) => o with { CalibrationImages = images }
            ),
            quantization.Number<double>(
                "--max-loss",
                "For int8: the greatest share of the labels, of all images or of one class, that may change for the "
                    + "worse, beyond what the number of images explains.",
                "0..1",
                (o, share) => o with { MaxLoss = share },
                o => o.MaxLoss
            ),
            quantization.Switch(
                "--auto-float",
                "For int8: leave the most sensitive layers in float, as few as --max-loss allows. Otherwise such a "
                    + "loss is an error that names them.",
                o => o with { AutoFloat = true }
            ),
            quantization.Choice<WeightBits>(
                "--weight-bits",
                "For int8: seven halves the precision of the weights, and no CPU clips their sums; eight can be "
                    + "clipped by x64 CPUs without VNNI instructions.",
                (o, bits) => o with { WeightBits = bits },
                o => o.WeightBits
            ),
            flags.TextColumn((o, name) => o with { TextColumn = name }),
            flags.Text(
                "--output",
                "The file to write. Default: named after the format, beside the model.",
                "file",
                (o, file) => o with { Output = file }
            ),
            flags.Switch("--overwrite", "Replace files that are there.", o => o with { Overwrite = true }),
            flags.Number<double>(
                "--allow-drift",
                "Keep an export whose probabilities differ from the evaluated ones by up to this, whatever its "
                    + "format's own limit. It is recorded in the file.",
                "0..1",
                (o, drift) => o with { AllowDrift = drift }
            ),
            flags.Switch("--features", "Give out the features too.", o => o with { WithFeatures = true }),
            flags.Switch("--logits", "Give out the calibrated logits too.", o => o with { WithLogits = true }),
            flags.Text(
                "--namespace",
                "For torchsharp: the namespace of the class, e.g. Acme.Vision.",
                "name",
                (o, name) => o with { Namespace = name }
            ),
            flags.Choice<WeightNames>(
                "--names",
                "For safetensors: the names of the weights, those of the ONNX file or those of torch's modules.",
                (o, names) => o with { WeightNames = names },
                _ => WeightNames.Onnx
            ),
            flags.Workers(),
            json,
        };
        command.SetAction(parsed =>
        {
            ExportSummary summary = terminal.Run(new ExportJob(flags.Read(parsed)), cancellation);
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
