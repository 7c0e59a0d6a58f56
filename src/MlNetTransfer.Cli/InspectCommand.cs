using System.CommandLine;
using System.Globalization;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>inspect: what is in a model file.</summary>
internal static class InspectCommand
{
    /// <summary>Tensors that are listed of a file of weights.</summary>
    private const int Listed = 20;

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<InspectOptions>(new InspectOptions { File = "-" });
        Argument file = flags.Argument(
            "file",
            "A model.onnx or an export of it, whatever its format; of any other ONNX file what its graph says, of "
                + "other weights (.pt, .pth, .dat, .safetensors) their names and shapes.",
            (o, path) => o with { File = path }
        );
        var card = new Option<bool>("--card") { Description = "Print the model card alone, as Markdown." };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "inspect",
            "Show what is in a model file: classes, preprocessing, digests, parity, inputs, outputs, operators, "
                + "size and work."
        )
        {
            file,
            card,
            json,
        };
        command.SetAction(parsed =>
        {
            ModelReport report = new InspectJob(flags.Read(parsed)).Run(null, cancellation);
            if (parsed.GetValue(card))
                terminal.WriteText(
                    report.Metadata?.ModelCard
                        ?? throw new TransferException(
                            $"'{report.File}' has no model card. Files written by 'mlnet-transfer train' since "
                                + $"version 0.1.0 have one; train the model again."
                        )
                );
            else if (parsed.GetValue(json))
                terminal.WriteJson(report);
            else
                Print(terminal.Output, report);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ModelReport report)
    {
        Line(
            "File",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{report.File}, {report.Bytes:N0} bytes, sha256 {report.Sha256}"
            )
        );
        if (report.IrVersion is { } version)
            Line(
                "Producer",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(report.Producer.Length > 0 ? report.Producer : "not stated")}; IR {version}; operator sets "
                        + $"{string.Join(", ", report.OperatorSets.Select(o => $"{o.Key} {o.Value}"))}"
                )
            );
        foreach (TensorReport input in report.Inputs)
            Line("Input", string.Create(CultureInfo.InvariantCulture, $"{input.Name}: {input.Type}"));
        foreach (TensorReport output in report.Outputs)
            Line("Output", string.Create(CultureInfo.InvariantCulture, $"{output.Name}: {output.Type}"));
        Line(
            "Parameters",
            string.Create(CultureInfo.InvariantCulture, $"{report.Parameters:N0} ({report.WeightBytes:N0} bytes)")
        );
        if (report.MultiplyAdds is { } cost)
            Line(
                "Work",
                string.Create(CultureInfo.InvariantCulture, $"{cost / 1e6:N1} million multiply-adds per image")
            );
        if (report.Tensors is { } tensors)
        {
            Line("Tensors", string.Create(CultureInfo.InvariantCulture, $"{tensors.Count}"));
            foreach (TensorReport tensor in tensors.Take(Listed))
                Line("", string.Create(CultureInfo.InvariantCulture, $"{tensor.Name}: {tensor.Type}"));
            if (tensors.Count > Listed)
                Line(
                    "",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"... and {tensors.Count - Listed} more; --json lists all"
                    )
                );
        }
        else
            Line(
                "Operators",
                string.Join(", ", report.Operators.OrderByDescending(o => o.Value).Select(o => $"{o.Key} {o.Value}"))
            );
        if (report.Metadata is { } metadata)
            Print(metadata);
        else
            Line("Metadata", "not one that mlnet-transfer wrote: its labels and preprocessing are not known");
        if (report.Parity is { } parity)
        {
            string others = parity.CalibrationImages is { } n ? $" other than the {n:d} of its calibration" : "";
            Line(
                "Parity",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"export '{parity.Format}': at most {parity.MaxDifference:g3}"
                        + $" in probability from the evaluated model on {parity.Images} images"
                        + $"{others}"
                        + $" (mean {parity.MeanDifference:g3}), {parity.LabelFlips} labels differ"
                        + $"; accepted up to {parity.Tolerance:g3}{(parity.Override ? " by override" : "")}"
                )
            );
        }
        foreach ((string key, string value) in report.OtherMetadata)
            Line(
                "Metadata",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{key} = {(value.Length > 100 ? value[..100] + "..." : value)}"
                )
            );
        foreach (string note in report.Notes)
            Line("Note", string.Create(CultureInfo.InvariantCulture, $"{note}"));

        void Print(ModelMetadata ours)
        {
            Line(
                "Classes",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{string.Join(", ", ours.Labels.Take(20))}"
                        + $"{(ours.Labels.Count > 20 ? $", ... ({ours.Labels.Count})" : "")}"
                )
            );
            Line(ours.Encoder.Kind.Name, ours.Encoder.Description);
            Line(
                "Backbone",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{ours.Backbone} at {string.Join(", ", ours.Taps)}; card {ours.CardDigest}"
                )
            );
            Line("Training", string.Create(CultureInfo.InvariantCulture, $"digest {ours.TrainingDigest}"));
            Line(
                "Model card",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{(ours.ModelCard is null ? "none" : "yes; --card prints it")}"
                )
            );
        }

        void Line(string name, string text) => console.WriteLine($"{name, -12} {text}");
    }
}
