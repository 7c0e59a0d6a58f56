using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>import: weights that were trained elsewhere, back into the model.</summary>
internal static class ImportCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var weights = new Option<string>("--weights")
        {
            Description =
                "Weights of that model, trained elsewhere: .pt of PyTorch or TorchScript, .dat of TorchSharp, or "
                + ".safetensors. Nothing in the file is executed.",
            Required = true,
            HelpName = "file",
        };
        var output = new Option<string>("--output")
        {
            Description = "The model file to write.",
            Required = true,
            HelpName = "file",
        };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace a file that is there." };
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "import",
            "Put weights that were trained in PyTorch or TorchSharp back into the model that they were exported "
                + "from. Evaluate it anew: its figures are those of other weights."
        )
        {
            model,
            weights,
            output,
            overwrite,
            json,
        };
        command.SetAction(parsed =>
        {
            var options = new ImportOptions
            {
                Model = parsed.GetRequiredValue(model),
                Weights = parsed.GetRequiredValue(weights),
                Output = parsed.GetRequiredValue(output),
                Overwrite = parsed.GetValue(overwrite),
            };
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
