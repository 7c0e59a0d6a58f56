using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>evaluate: a model's figures on labelled images.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var folder = new Argument<string>("folder") { Description = "Folder with one folder of images per class of the model, a .csv, .tsv, .jsonl or .ndjson list, or a .zip. Of images that come with a split, the test part counts; without one, the validation part." };
        Option<int> workers = CommonOptions.Workers();
        Option<ExecutionProvider> device = CommonOptions.Device();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("evaluate", "Evaluate a model on labelled images.") { model, folder, workers, device, json };
        command.SetAction(parsed =>
        {
            var job = new EvaluateJob(parsed.GetRequiredValue(model), parsed.GetRequiredValue(folder), plan: ExecutionPlan.For(parsed.GetValue(device), parsed.GetValue(workers)));
            EvaluationSummary summary = terminal.WithProgress(progress => job.Run(progress, cancellation));
            if (parsed.GetValue(json)) terminal.WriteJson(summary);
            else Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, EvaluationSummary summary)
    {
        console.WriteLine(VerdictLine.Of(summary, "these images"));
        console.WriteLine();
        EvaluationTables.Print(console, summary);
        EvaluationTables.Rejected(console, summary.Rejected);
        EvaluationTables.Speed(console, summary.ImagesPerSecond, summary.Seconds);
    }
}
