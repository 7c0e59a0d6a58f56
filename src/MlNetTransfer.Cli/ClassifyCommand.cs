using System.CommandLine;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>classify: what a backbone's own head says of images, with the classes that it was pretrained on.</summary>
internal static class ClassifyCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ClassifyOptions>(new ClassifyOptions { Backbone = "-", Images = ["-"] });
        Argument backbone = flags.Argument(
            "backbone",
            "Id of a backbone; see 'mlnet-transfer models list'.",
            (o, id) => o with { Backbone = id }
        );
        Argument inputs = flags.Files(
            "images",
            "Image files and folders of images.",
            (o, images) => o with { Images = images }
        );
        Option<bool> json = CommonOptions.Json();
        var command = new Command("classify", "Classify images by a backbone as it is, with its own classes.")
        {
            backbone,
            inputs,
            flags.Top(),
            flags.MaxMegapixels(),
            flags.Workers(),
            json,
        };
        command.SetAction(parsed =>
        {
            PredictionSummary summary = terminal.Run(new ClassifyJob(flags.Read(parsed)), cancellation);
            PredictionTable.RequireSome(summary);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                PredictionTable.Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }
}
