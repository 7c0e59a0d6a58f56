using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>train: labelled images in, a model and a report out.</summary>
internal static class TrainCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var folder = new Argument<string>("folder") { Description = "Folder with one folder of images per class (the folders' names are the labels), or with train, val and test folders of those; or a .csv, .tsv, .jsonl or .ndjson list with path, label and optionally group and split; or a .zip of such a folder." };
        var backbone = new Option<string>("--backbone") { Description = "Pretrained backbone; see 'mlnet-transfer models list'.", DefaultValueFactory = _ => "mobilenet_v2_140", HelpName = "id" };
        var output = new Option<string>("--output") { Description = "Folder for model.onnx and report.json.", DefaultValueFactory = _ => "out", HelpName = "dir" };
        var testFraction = CommonOptions.Within(new Option<double>("--test-fraction") { Description = "Share of each class held out for the evaluation; without effect where the images come with a split.", DefaultValueFactory = _ => 0.2, HelpName = "0..1" }, 0.01, 0.99);
        var seed = new Option<int>("--seed") { Description = "Seed of the split; the same seed and images give the same model file.", DefaultValueFactory = _ => 1, HelpName = "n" };
        var classWeights = new Option<Heads.ClassWeights>("--class-weights") { Description = "none: every image counts the same; balanced: every class does.", DefaultValueFactory = _ => Heads.ClassWeights.None };
        var noCache = new Option<bool>("--no-cache") { Description = "Neither read nor store features on disk." };
        Option<int> workers = CommonOptions.Workers();
        Option<bool> json = CommonOptions.Json();
        var command = new Command("train", "Train a classifier on labelled images and evaluate it on the part held out.") { folder, backbone, output, testFraction, seed, classWeights, noCache, workers, json };
        command.SetAction(parsed =>
        {
            var options = new TrainOptions
            {
                Folder = parsed.GetRequiredValue(folder),
                Output = parsed.GetRequiredValue(output),
                Backbone = parsed.GetRequiredValue(backbone),
                TestFraction = parsed.GetValue(testFraction),
                Seed = parsed.GetValue(seed),
                ClassWeights = parsed.GetValue(classWeights),
                Workers = parsed.GetValue(workers),
                CacheFeatures = !parsed.GetValue(noCache),
            };
            TrainSummary summary = terminal.WithProgress(progress => new TrainJob(options).Run(progress, cancellation));
            if (parsed.GetValue(json)) terminal.WriteJson(summary);
            else Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, TrainSummary summary)
    {
        console.WriteLine();
        console.WriteLine(FormattableString.Invariant($"Backbone {summary.Backbone} at {summary.Tap} ({summary.FeatureWidth} features), softmax head with L2 {summary.L2:g3}."));
        console.WriteLine(FormattableString.Invariant($"{summary.TrainImages} images to train, {summary.TestImages} held out."));
        console.WriteLine();
        EvaluationTables.Print(console, summary, summary.TestImages, summary.FromCache);
        foreach (string note in summary.Notes) console.WriteLine($"Note: {note}");
        console.WriteLine(FormattableString.Invariant($"Model {summary.Model}: agrees with the evaluated one on {summary.Parity.Images} images (largest difference {summary.Parity.MaxDifference:g2})."));
    }
}
