using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MlNetTransfer.Cli;

/// <summary>Prints an evaluation for people.</summary>
internal static class EvaluationTables
{
    /// <summary>Evaluated images from which on figures of calibration say something.</summary>
    public const int ForCalibration = 200;

    private const int LargestMatrix = 10,
        Pairs = 10;

    /// <summary>The figures and tables; the verdict stands before them.</summary>
    public static void Print(IAnsiConsole console, EvaluationFigures summary)
    {
        int evaluated = Evaluated(summary);
        console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"Accuracy {Percent(summary.Accuracy)}, 95 % interval {Percent(summary.AccuracyInterval[0])} to "
                    + $"{Percent(summary.AccuracyInterval[1])} (n = {evaluated})"
            )
        );
        ClassificationMetrics metrics = summary.Metrics;
        console.WriteLine(
            $"Balanced accuracy {Shown(metrics.BalancedAccuracy)}; macro F1 {Shown(metrics.MacroF1)}"
                + (summary.Classes > 3 ? $"; top 3 {Shown(metrics.Top3Accuracy)}" : "")
        );
        if (evaluated >= ForCalibration)
            console.WriteLine(
                FormattableString.Invariant(
                    $"Log-loss {summary.LogLoss:f3} nats ({metrics.LogLoss.Low:f3} to {metrics.LogLoss.High:f3}), "
                )
                    + FormattableString.Invariant(
                        $"expected calibration error {summary.Ece:f3} ({metrics.CalibrationError.Low:f3} to "
                    )
                    + FormattableString.Invariant($"{metrics.CalibrationError.High:f3})")
            );
        console.WriteLine();
        console.Write(PerClass(summary.PerClass));
        if (Confusion(console, summary) is { } confusion)
            console.Write(confusion);
    }

    /// <summary>Images that the figures are of.</summary>
    public static int Evaluated(EvaluationFigures summary) => summary.PerClass.Sum(c => c.Support);

    /// <summary>How fast it went.</summary>
    public static void Speed(IAnsiConsole console, double imagesPerSecond, double seconds, string cached = "") =>
        console.WriteLine(
            FormattableString.Invariant($"{imagesPerSecond:f0} images per second{cached}; {seconds:f1} s in all.")
        );

    public static void Rejected(IAnsiConsole console, IReadOnlyList<RejectedItem> rejected)
    {
        if (rejected.Count == 0)
            return;
        var table = new Table { Title = new TableTitle($"{rejected.Count} rejected"), Border = TableBorder.Simple };
        table.AddColumn("file").AddColumn("reason");
        foreach (RejectedItem image in rejected)
            table.AddRow(new Text(image.File), new Text(image.Reason));
        console.Write(table);
    }

    /// <summary>A difference of shares in points, with its sign.</summary>
    public static string Points(double difference) =>
        (100 * difference).ToString("+0.0;-0.0;0.0", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Both ends of an interval of differences: "-1.0 to +2.5".</summary>
    public static string Points(IReadOnlyList<double> interval) => $"{Points(interval[0])} to {Points(interval[1])}";

    public static string Percent(double value) => FormattableString.Invariant($"{100 * value:f1} %");

    private static string Shown(Estimate share) =>
        $"{Percent(share.Value)} ({Percent(share.Low)} to {Percent(share.High)})";

    private static Table PerClass(IReadOnlyList<ClassScore> classes)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("class");
        foreach (string column in (string[])["precision", "recall", "F1", "support"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (ClassScore score in classes)
        {
            Text support = new(FormattableString.Invariant($"{score.Support}"));
            table.AddRow(
                new Text(score.Name),
                Number(score.Precision),
                Number(score.Recall),
                Number(score.F1),
                support
            );
        }

        return table;
    }

    /// <summary>
    /// The matrix where it can be read, else the pairs that are confused most; null where nothing is confused.
    /// </summary>
    private static Table? Confusion(IAnsiConsole console, EvaluationFigures summary)
    {
        if (summary.PerClass.Count <= LargestMatrix)
        {
            Table matrix = Matrix(summary);
            int width = ((IRenderable)matrix).Measure(RenderOptions.Create(console), 10_000).Max;
            if (width <= console.Profile.Width)
                return matrix;
        }

        return MostConfused(summary);
    }

    private static Table Matrix(EvaluationFigures summary)
    {
        var table = new Table
        {
            Title = new TableTitle("Confusion: rows are the truth, columns the prediction"),
            Border = TableBorder.Simple,
        };
        table.AddColumn("");
        foreach (ClassScore score in summary.PerClass)
            table.AddColumn(new TableColumn(new Text(score.Name)).RightAligned().NoWrap());
        for (int truth = 0; truth < summary.Confusion.Count; truth++)
        {
            IEnumerable<Text> counts = summary
                .Confusion[truth]
                .Select(n => new Text(n == 0 ? "." : FormattableString.Invariant($"{n}")));
            table.AddRow([new Text(summary.PerClass[truth].Name), .. counts]);
        }

        return table;
    }

    private static Table? MostConfused(EvaluationFigures summary)
    {
        (int Truth, int Taken, int Count)[] pairs =
        [
            .. summary
                .Confusion.SelectMany((row, truth) => row.Select((count, taken) => (truth, taken, count)))
                .Where(p => p.truth != p.taken && p.count > 0)
                .OrderByDescending(p => p.count),
        ];
        if (pairs.Length == 0)
            return null;
        string title =
            pairs.Length > Pairs
                ? $"Most confused pairs ({Pairs} of {pairs.Length}; --json has the whole table)"
                : "Most confused pairs";
        var table = new Table { Title = new TableTitle(title), Border = TableBorder.Simple };
        table.AddColumn("truth").AddColumn("taken for");
        table
            .AddColumn(new TableColumn("images").RightAligned())
            .AddColumn(new TableColumn("share of the class").RightAligned());
        foreach ((int truth, int taken, int count) in pairs.Take(Pairs))
        {
            ClassScore score = summary.PerClass[truth];
            string share = FormattableString.Invariant($"{100.0 * count / score.Support:f0} %");
            table.AddRow(
                new Text(score.Name),
                new Text(summary.PerClass[taken].Name),
                new Text(FormattableString.Invariant($"{count}")),
                new Text(share)
            );
        }

        return table;
    }

    private static Text Number(double value) => new(FormattableString.Invariant($"{value:f3}"));
}
