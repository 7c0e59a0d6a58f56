using System.CommandLine;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>classify: what a backbone's own head says of images, with the classes that it was pretrained on.</summary>
internal static class ClassifyCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var backbone = new Argument<string>("backbone")
        {
            Description = "Id of a backbone; see 'mlnet-transfer models list'.",
        };
        var inputs = new Argument<string[]>("images")
        {
            Description = "Image files and folders of images.",
            Arity = ArgumentArity.OneOrMore,
        };
        var top = Numbers.Within(
            new Option<int>("--top")
            {
                Description = "Classes to list per image.",
                DefaultValueFactory = _ => 3,
                HelpName = "n",
            },
            1,
            100_000
        );
        Option<int?> megapixels = CommonOptions.MaxMegapixels();
        Option<int> workers = CommonOptions.Workers();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("classify", "Classify images by a backbone as it is, with its own classes.")
        {
            backbone,
            inputs,
            top,
            megapixels,
            workers,
            json,
        };
        command.SetAction(parsed =>
        {
            var options = new ClassifyOptions
            {
                Backbone = parsed.GetRequiredValue(backbone),
                Images = Patterns.Expand(parsed.GetRequiredValue(inputs)),
                Top = parsed.GetValue(top),
                Limits = CommonOptions.Limits(parsed.GetValue(megapixels)),
                Workers = parsed.GetValue(workers),
            };
            PredictionSummary summary = terminal.Run(new ClassifyJob(options), cancellation);
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
