using System.CommandLine;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>models compare: which backbone, tap and head suit some labelled images, and what scoring costs.</summary>
internal static class ModelsCompareCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<CompareOptions>(new CompareOptions { Folder = "-" });
        Argument folder = flags.Argument(
            "folder",
            "Labelled images, as of 'mlnet-transfer train'; a test part that they come with is not looked at.",
            (o, path) => o with { Folder = path }
        );
        (Option paths, _, Option labels, Option empty) = flags.Columns((o, dataset) => o with { Dataset = dataset });
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "compare",
            "Compare backbones, their taps and heads on labelled images by 5-fold cross-validation; nothing is trained "
                + "that stays."
        )
        {
            folder,
            flags.Written(
                "--backbones",
                "The backbones. Default: all of images on this machine.",
                "a,b,c",
                CommonOptions.Listed,
                (o, ids) => o with { Backbones = ids }
            ),
            flags.Choice(
                "--head",
                "Kind of classifier on the features; auto: kernel, discriminant and ridge.",
                HeadKind.All,
                (o, kind) => o with { Head = kind },
                o => o.Head
            ),
            flags.Choice<TestTimeAugmentation>(
                "--tta",
                "flip: each backbone also averaged over image and mirror image, as 'train --tta flip' takes it, in "
                    + "rows of its own named id-flip.",
                (o, augmentation) => o with { TestTimeAugmentation = augmentation },
                o => o.TestTimeAugmentation
            ),
            flags.Number<int>("--seed", "Seed of the folds.", "n", (o, seed) => o with { Seed = seed }, o => o.Seed),
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
            CompareSummary summary = terminal.Run(new CompareJob(flags.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, CompareSummary summary)
    {
        LeaderboardTable.Print(
            console,
            summary.Leaderboard,
            FormattableString.Invariant($"By 5-fold cross-validation on {summary.Images} images")
        );
        EvaluationTables.Rejected(console, summary.Rejected);
    }
}

/// <summary>Backbones, taps and heads for people, the most accurate first.</summary>
internal static class LeaderboardTable
{
    private const int Named = 2;

    /// <param name="console">Where to.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="title">What they are of.</param>
    /// <param name="most">Rows to print at most, the one that was taken besides.</param>
    /// <param name="all">What has all rows.</param>
    public static void Print(
        IAnsiConsole console,
        IReadOnlyList<LeaderboardRow> rows,
        string title,
        int most = int.MaxValue,
        string all = "report.json"
    )
    {
        var table = new Table { Title = new TableTitle(title), Border = TableBorder.Simple };
        table.AddColumn("backbone").AddColumn("taps").AddColumn("head");
        foreach (string column in (string[])["accuracy", "to the best", "log-loss", "ms", "MB"])
            table.AddColumn(new TableColumn(column).RightAligned());
        table.AddColumn("");
        foreach (LeaderboardRow row in rows.Where((row, place) => place < most || row.Taken))
            table.AddRow(
                new Text(row.Backbone),
                new Text(Taps(row)),
                new Text(row.Head),
                new Text(EvaluationTables.Percent(row.Accuracy)),
                new Text(Difference(row)),
                new Text(FormattableString.Invariant($"{row.LogLoss:f3}")),
                new Text(FormattableString.Invariant($"{row.Milliseconds:f1}")),
                new Text(FormattableString.Invariant($"{row.Megabytes:f0}")),
                new Text(row.Taken ? "taken" : "")
            );
        console.Write(table);
        if (rows.Count > most)
            console.WriteLine($"The first {most} of {rows.Count}; {all} has all.");
        console.WriteLine(
            "To the best: accuracy less that of the first row, on the same images, in points, with its 95 % interval. "
                + "ms: to decode and featurise an image on one core here; MB: the weights. Taken: the cheapest "
                + "backbone within one standard error of the best in log-loss, each by the better of its heads."
        );
    }

    private static string Taps(LeaderboardRow row)
    {
        bool one = !row.Backbone.Contains('+', StringComparison.Ordinal);
        string[] taps = [.. row.Taps.Select(t => one ? t : t[(t.IndexOf('/', StringComparison.Ordinal) + 1)..])];
        return taps.Length > Named ? FormattableString.Invariant($"{taps.Length} taps") : string.Join(" + ", taps);
    }

    private static string Difference(LeaderboardRow row) =>
        row.DifferenceInterval is [0, 0]
            ? ""
            : $"{Points(row.Difference)} ({Points(row.DifferenceInterval[0])} to {Points(row.DifferenceInterval[1])})";

    private static string Points(double share) => FormattableString.Invariant($"{100 * share:f1}");
}
