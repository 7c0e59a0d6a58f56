using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>import: weights that were trained elsewhere, back into the model.</summary>
internal static class ImportCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ImportOptions>(
            new ImportOptions
            {
                Model = "-",
                Weights = "-",
                Output = "-",
            }
        );
        Option weights = flags.Text(
            "--weights",
            "Weights of that model, trained elsewhere: .pt of PyTorch or TorchScript, .dat of TorchSharp, or "
                + ".safetensors. Nothing in the file is executed.",
            "file",
            (o, file) => o with { Weights = file }
        );
        Option output = flags.Text(
            "--output",
            "The model file to write.",
            "file",
            (o, file) => o with { Output = file }
        );
        weights.Required = output.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "import",
            "Put weights that were trained in PyTorch or TorchSharp back into the model that they were exported "
                + "from. Evaluate it anew: its figures are those of other weights."
        )
        {
            flags.Model((o, path) => o with { Model = path }),
            weights,
            output,
            flags.Switch("--overwrite", "Replace a file that is there.", o => o with { Overwrite = true }),
            json,
        };
        command.SetAction(parsed =>
        {
            ImportOptions options = flags.Read(parsed);
            ImportSummary summary = new ImportJob(options).Run(null, cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                terminal.Output.WriteLine(
                    $"{summary.Model}: {summary.Tensors} tensors from {options.Weights}; sha256 "
                        + $"{summary.ModelSha256}"
                );
            return ExitCode.Done;
        });
        return command;
    }
}
