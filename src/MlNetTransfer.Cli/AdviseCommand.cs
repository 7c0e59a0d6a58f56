using System.CommandLine;
using MlNetTransfer.Advice;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>advise: which backbone to take and how to train on some images, with the evidence.</summary>
internal static class AdviseCommand
{
    private const int ShownBackbones = 6,
        ShownEstimates = 10;

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<AdviseOptions>(new AdviseOptions { Folder = "-" });
        Argument folder = flags.Argument(
            "folder",
            "Labelled images, as of 'mlnet-transfer train'; a test part that they come with is not looked at.",
            (o, path) => o with { Folder = path }
        );
        (Option paths, _, Option labels, Option empty) = flags.Columns((o, dataset) => o with { Dataset = dataset });
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "advise",
            "Say what to transfer and how: which backbone and which strategy, from measurements on the images."
        )
        {
            folder,
            flags.Written(
                "--backbones",
                "The backbones to choose among. Default: all of images on this machine.",
                "a,b,c",
                CommonOptions.Listed,
                (o, ids) => o with { Backbones = ids }
            ),
            flags.Text(
                "--source",
                "Images such as the backbone was trained on, or others: say how far the labelled ones are from them.",
                "folder",
                (o, path) => o with { Source = path }
            ),
            flags.Written(
                "--time-budget",
                "Time for trying trainings of the network on a part of the images; 0s for none. What is tried in it "
                    + "depends on the machine's speed. [default: 5m]",
                "90s|10m|2h",
                FlagText.Time,
                (o, budget) => o with { TimeBudget = budget }
            ),
            flags.Number<int>(
                "--seed",
                "Seed of the draws and folds.",
                "n",
                (o, seed) => o with { Seed = seed },
                o => o.Seed
            ),
            paths,
            labels,
            empty,
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.NoCache(o => o with { CacheFeatures = false }),
            json,
        };
        command.SetAction(parsed =>
        {
            AdviseOptions options = flags.Read(parsed);
            AdviseSummary summary = terminal.Run(new AdviseJob(options), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary, options.Dataset);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, AdviseSummary summary, DatasetOptions dataset)
    {
        TransferAdvice advice = summary.Advice;
        AdvisedStrategy first = advice.Strategies[0];
        console.WriteLine(
            FormattableString.Invariant($"Take {Named(first)} on {first.Backbone}: expect ")
                + $"{EvaluationTables.Percent(first.Accuracy)} (95 %: {Range(first.Interval)})."
        );
        console.WriteLine($"Next: {TypedCommand.Train(summary.Folder, dataset)} {first.Options}");
        console.WriteLine();
        Strategies(console, advice);
        Grounds(console, advice);
        LeaderboardTable.Print(
            console,
            advice.Leaderboard,
            "Backbones and heads by 5-fold cross-validation",
            ShownBackbones,
            "--json"
        );
        Estimates(console, advice);
        foreach (string note in advice.Notes)
            console.WriteLine($"Note: {note}");
        console.WriteLine(FormattableString.Invariant($"{summary.Seconds:f1} s in all; nothing was written."));
        EvaluationTables.Rejected(console, summary.Rejected);
    }

    private static void Strategies(IAnsiConsole console, TransferAdvice advice)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("strategy").AddColumn("backbone");
        foreach (string column in (string[])["accuracy", "95 %", "training", "ms an image"])
            table.AddColumn(new TableColumn(column).RightAligned());
        table.AddColumn("reason");
        foreach (AdvisedStrategy way in advice.Strategies)
            table.AddRow(
                new Text(Named(way)),
                new Text(way.Backbone),
                new Text(EvaluationTables.Percent(way.Accuracy)),
                new Text(Range(way.Interval)),
                new Text(About(way.TrainSeconds)),
                new Text(FormattableString.Invariant($"{way.Milliseconds:f1}")),
                new Text(way.Reason)
            );
        console.Write(table);
    }

    /// <summary>What the order rests on, besides the tables.</summary>
    private static void Grounds(IAnsiConsole console, TransferAdvice advice)
    {
        DataSummary data = advice.Data;
        console.WriteLine(
            FormattableString.Invariant($"Data: {data.Images} images of {data.Classes} classes, {data.Smallest} to ")
                + FormattableString.Invariant($"{data.Largest} of each (half have {data.Median} or more), about ")
                + FormattableString.Invariant($"{data.MedianWidth} x {data.MedianHeight} pixels.")
        );
        console.WriteLine(
            FormattableString.Invariant($"Rule of thumb ({Word(advice.Quadrant.Rule.Size)} data, ")
                + FormattableString.Invariant($"{Word(advice.Quadrant.Rule.Similarity)} to the source: ")
                + FormattableString.Invariant($"frozen features get {100 * advice.Quadrant.Separability:0} % of ")
                + $"what guessing gets wrong right): {advice.Quadrant.Rule.Advice}"
        );
        if (advice.Source is { } source)
            console.WriteLine($"Beside the source images: {DistanceCommand.Sentence(source)}");
        foreach (BaselineTrial baseline in advice.Baselines)
            console.WriteLine(
                $"Pretrained features beside {baseline.Name}: {EvaluationTables.Percent(baseline.Pretrained)} and "
                    + $"{EvaluationTables.Percent(baseline.Accuracy)}, {EvaluationTables.Points(baseline.Gain)} points "
                    + $"(95 %: {EvaluationTables.Points(baseline.GainInterval)}, {baseline.Images} images)."
            );
        if (advice.IsNegativeTransfer)
            console.WriteLine(
                "NEGATIVE TRANSFER: what has learnt nothing does better than pretrained features. Take another "
                    + "backbone, or check its preprocessing: mlnet-transfer models check."
            );
    }

    private static void Estimates(IAnsiConsole console, TransferAdvice advice)
    {
        var table = new Table
        {
            Title = new TableTitle("Estimates without training, the highest LogME first"),
            Border = TableBorder.Simple,
        };
        table.AddColumn("backbone").AddColumn("tap");
        foreach (string column in (string[])["LogME", "H-score", "1-NN", "LEEP", "NCE"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (BackboneEstimate own in advice.Estimates.OrderByDescending(own => own.LogMe).Take(ShownEstimates))
            table.AddRow(
                new Text(own.Backbone),
                new Text(own.Tap),
                new Text(FormattableString.Invariant($"{own.LogMe:f3}")),
                new Text(FormattableString.Invariant($"{own.HScore:f3}")),
                new Text(EvaluationTables.Percent(own.NearestNeighbour)),
                new Text(own.Leep is { } leep ? FormattableString.Invariant($"{leep:f3}") : ""),
                new Text(own.ConditionalEntropy is { } nce ? FormattableString.Invariant($"{nce:f3}") : "")
            );
        console.Write(table);
    }

    private static string Named(AdvisedStrategy way) =>
        way.Strategy switch
        {
            "head" => "a head on frozen features",
            "full" => "training of the whole network",
            _ => FormattableString.Invariant($"fine-tuning with {100 * way.Freeze:0} % frozen"),
        };

    private static string Word(Enum value) => value.ToString().ToLowerInvariant();

    private static string Range(IReadOnlyList<double> interval) =>
        $"{EvaluationTables.Percent(interval[0])} to {EvaluationTables.Percent(interval[1])}";

    private static string About(double seconds) =>
        seconds < 90 ? FormattableString.Invariant($"{Math.Max(1, seconds):0} s")
        : seconds < 5400 ? FormattableString.Invariant($"{seconds / 60:0} min")
        : FormattableString.Invariant($"{seconds / 3600:0.0} h");
}
