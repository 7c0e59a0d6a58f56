using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>models add: makes a backbone of an ONNX model of the user's.</summary>
internal static class ModelsAddCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var source = new Argument<string>("model")
        {
            Description =
                "An .onnx file, a TensorFlow.js folder (model.json and weights, as Teachable Machine exports it), or "
                + "an http or https address of an .onnx file (then --sha256 is needed).",
        };
        var id = new Option<string>("--id")
        {
            Description = "Id for the new backbone: lower-case letters, digits, '_', '-' and '.'.",
            Required = true,
            HelpName = "id",
        };
        var name = new Option<string>("--name")
        {
            Description = "Name for people. Default: the id.",
            HelpName = "text",
        };
        var sha256 = new Option<string>("--sha256")
        {
            Description = "SHA-256 that the file must have.",
            HelpName = "hex",
        };
        var weights = new Option<string>("--weights")
        {
            Description =
                "Weights to take in place of the file's, under the names of the module that was exported, such as "
                + "torchvision's: a .pt, .pth, .dat or .safetensors file.",
            HelpName = "file",
        };
        var inspection = new Flags<StatedOnCommandLine>(new StatedOnCommandLine());
        Option[] preprocessing = [.. PreprocessingFlags.Of(inspection)];
        var labels = new Option<string>("--labels")
        {
            Description = "Text file with one class per line, in the order of the output.",
            HelpName = "file",
        };
        Option output = inspection.Text(
            "--output",
            "The output with the scores, where a file has several.",
            "name",
            (o, tensor) => o with { Output = tensor }
        );
        var tap = new Option<string>("--default-tap")
        {
            Description = "Tap taken where none is chosen. Default: the last, what the classifier takes.",
            HelpName = "name",
        };
        var license = new Option<string>("--license")
        {
            Description = "Licence of the weights.",
            DefaultValueFactory = _ => "unknown",
            HelpName = "text",
        };
        var text = new TextFlags();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("add", "Make a backbone of your own ONNX model.")
        {
            source,
            id,
            name,
            sha256,
            weights,
            labels,
            output,
            tap,
            license,
            json,
        };
        foreach (Option option in preprocessing)
            command.Add(option);
        text.AddTo(command, [.. preprocessing, labels]);
        command.SetAction(parsed =>
        {
            StatedOnCommandLine stated = inspection.Read(parsed);
            NewBackbone backbone = Checked(() =>
                new NewBackbone
                {
                    Source = parsed.GetRequiredValue(source),
                    Id = parsed.GetRequiredValue(id),
                    Name = parsed.GetValue(name),
                    Sha256 = parsed.GetValue(sha256),
                    Weights = parsed.GetValue(weights),
                    Labels = parsed.GetValue(labels) is { } file ? LabelList.Read(file) : null,
                    DefaultTap = parsed.GetValue(tap),
                    License = parsed.GetRequiredValue(license),
                    Text = text.Read(parsed, stated.Output),
                    Inspection = stated.ToOptions(),
                }
            );
            AddedBackbone added = terminal.WithProgress(progress =>
                new UserCatalog().Add(backbone, progress, cancellation)
            );
            if (parsed.GetValue(json))
                terminal.WriteJson(added);
            else
                Print(terminal, added);
            if (added.Warning is { } warning)
                terminal.WriteError($"warning: {warning}");
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(Terminal terminal, AddedBackbone added)
    {
        ModelsCommand.Print(terminal.Output, added.Card);
        if (added.Evidence is { } evidence)
            EvidenceTable.Print(terminal, evidence, PreprocessingParts.Of(added.Card.Preprocessing!));
        string data = added.Card.Content is null ? "FOLDER" : "LIST.csv --text-column COLUMN";
        terminal.Output.WriteLine($"Next: mlnet-transfer train {data} --output DIR --backbone {added.Card.Id}");
    }

    /// <summary>
    /// Options check themselves; what they refuse came from the command line, so it is the user's to mend.
    /// </summary>
    private static T Checked<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException cause)
        {
            throw new TransferException(cause.Message, cause);
        }
    }
}
