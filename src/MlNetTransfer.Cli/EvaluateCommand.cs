using System.CommandLine;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>evaluate: a model's figures on labelled images.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Argument<string> model = CommonOptions.Model();
        var folder = new Argument<string>("folder") { Description = "Folder with one folder of images per class of the model, a .csv, .tsv, .jsonl or .ndjson list, or a .zip. Of images that come with a split, the test part counts; without one, the validation part." };
        Option<string> pathColumn = CommonOptions.PathColumn(), labelColumn = CommonOptions.LabelColumn();
        Option<int> workers = CommonOptions.Workers();
        Option<ExecutionProvider> device = CommonOptions.Device();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("evaluate", "Evaluate a model on labelled images.") { model, folder, pathColumn, labelColumn, workers, device, json };
        command.SetAction(parsed =>
        {
            var dataset = new DatasetOptions { PathColumn = parsed.GetValue(pathColumn), LabelColumn = parsed.GetValue(labelColumn) };
            ExecutionPlan plan = ExecutionPlan.For(parsed.GetValue(device), parsed.GetValue(workers));
            var job = new EvaluateJob(parsed.GetRequiredValue(model), parsed.GetRequiredValue(folder), plan: plan, dataset: dataset);
            EvaluationSummary summary = terminal.WithProgress(progress => job.Run(progress, cancellation));
            if (parsed.GetValue(json)) terminal.WriteJson(summary);
            else EvaluationTables.Print(terminal.Output, summary, summary.Images);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }
}
