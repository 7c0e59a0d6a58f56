using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>predict: the likeliest classes of images.</summary>
internal static class PredictCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var inputs = new Argument<string[]>("images")
        {
            Description =
                "Image files, folders and .zip archives of images, and .csv, .tsv, .jsonl or .ndjson lists with a "
                + "path column.",
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
        Option<string?> output = ResultFile.Output();
        Option<int?> megapixels = CommonOptions.MaxMegapixels();
        Option<int> workers = CommonOptions.Workers();
        Option<ExecutionProvider> device = CommonOptions.Device();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("predict", "Predict the classes of images.")
        {
            model,
            inputs,
            top,
            output,
            megapixels,
            workers,
            device,
            json,
        };
        command.SetAction(parsed =>
        {
            var job = new PredictJob(
                parsed.GetRequiredValue(model),
                Patterns.Expand(parsed.GetRequiredValue(inputs)),
                parsed.GetValue(top),
                limits: CommonOptions.Limits(parsed.GetValue(megapixels)),
                plan: ExecutionPlan.For(parsed.GetValue(device), parsed.GetValue(workers))
            );
            PredictionSummary summary = terminal.WithProgress(progress => job.Run(progress, cancellation));
            PredictionTable.RequireSome(summary);
            ResultFile.Write(parsed.GetValue(output), summary);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                PredictionTable.Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }
}
