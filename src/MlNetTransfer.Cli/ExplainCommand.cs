using System.CommandLine;
using MlNetTransfer.Explain;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>explain: pictures of where a model looks.</summary>
internal static class ExplainCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ExplainOptions>(
            new ExplainOptions
            {
                Model = "-",
                Images = ["-"],
                Output = "-",
            }
        );
        Option output = flags.Text(
            "--output",
            "Folder for the pictures and explanations.csv.",
            "dir",
            (o, folder) => o with { Output = folder }
        );
        output.Required = true;
        Option<bool> json = CommonOptions.Json();
        var command = new Command("explain", "Show in images where a model sees a class, as pictures.")
        {
            flags.Model((o, path) => o with { Model = path }),
            flags.Files(
                "image",
                "Image files, folders, .zip archives, lists and patterns.",
                (o, images) => o with { Images = images }
            ),
            output,
            flags.Text(
                "--class",
                "The class whose evidence is wanted. Default: of each image the one that the model names.",
                "name",
                (o, name) => o with { Class = name }
            ),
            flags.Choice<ExplainMethod>(
                "--method",
                "gradcam: by the gradient, for convolutional networks; occlusion: by covering parts of the image, 49 "
                    + "runs per image, for any; auto: gradcam where it is possible.",
                (o, method) => o with { Method = method },
                o => o.Method
            ),
            flags.Number<int>(
                "--side",
                "Pixels of the longer side of a picture.",
                "n",
                (o, side) => o with { Side = side },
                o => o.Side
            ),
            flags.MaxMegapixels(),
            json,
        };
        command.SetAction(parsed =>
        {
            ExplainSummary summary = terminal.Run(new ExplainJob(flags.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, ExplainSummary summary)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("file").AddColumn("class").AddColumn(new TableColumn("probability").RightAligned());
        table.AddColumn("method").AddColumn("picture");
        foreach (ExplainedImage image in summary.Images)
            table.AddRow(
                new Text(image.File),
                new Text(image.Label),
                new Text(EvaluationTables.Percent(image.Probability)),
                new Text(FlagText.Of(image.Method)),
                new Text(image.Picture)
            );
        console.Write(table);
        if (summary.Fallback is { } why)
            console.WriteLine($"Note: by occlusion, since Grad-CAM is not possible: {why}");
        EvaluationTables.Rejected(console, summary.Rejected);
    }
}
