using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>Prints an evaluation for people.</summary>
internal static class EvaluationTables
{
    public static void Print(IAnsiConsole console, EvaluationSummary summary, int evaluated, int fromCache = 0)
    {
        console.WriteLine(FormattableString.Invariant($"Accuracy {Percent(summary.Accuracy)}, 95 % interval {Percent(summary.AccuracyInterval[0])} to {Percent(summary.AccuracyInterval[1])} (n = {evaluated})"));
        console.WriteLine(FormattableString.Invariant($"Log-loss {summary.LogLoss:f3} nats, expected calibration error {summary.Ece:f3}"));
        console.WriteLine();
        console.Write(PerClass(summary.PerClass));
        console.Write(Confusion(summary));
        Rejected(console, summary.Rejected);
        string cached = fromCache > 0 ? FormattableString.Invariant($" ({fromCache} of {summary.Images} from the cache)") : "";
        console.WriteLine(FormattableString.Invariant($"{summary.ImagesPerSecond:f0} images per second{cached}; {summary.Seconds:f1} s in all."));
    }

    public static void Rejected(IAnsiConsole console, IReadOnlyList<RejectedImage> rejected)
    {
        if (rejected.Count == 0) return;
        var table = new Table { Title = new TableTitle($"{rejected.Count} rejected"), Border = TableBorder.Simple };
        table.AddColumn("file").AddColumn("reason");
        foreach (RejectedImage image in rejected) table.AddRow(new Text(image.File), new Text(image.Reason));
        console.Write(table);
    }

    private static Table PerClass(IReadOnlyList<ClassScore> classes)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("class");
        foreach (string column in (string[])["precision", "recall", "F1", "support"]) table.AddColumn(new TableColumn(column).RightAligned());
        foreach (ClassScore score in classes) table.AddRow(new Text(score.Name), Number(score.Precision), Number(score.Recall), Number(score.F1), new Text(FormattableString.Invariant($"{score.Support}")));
        return table;
    }

    private static Table Confusion(EvaluationSummary summary)
    {
        var table = new Table { Title = new TableTitle("Confusion: rows are the truth, columns the prediction"), Border = TableBorder.Simple };
        table.AddColumn("");
        foreach (ClassScore score in summary.PerClass) table.AddColumn(new TableColumn(new Text(score.Name)).RightAligned());
        for (int truth = 0; truth < summary.Confusion.Count; truth++)
            table.AddRow([new Text(summary.PerClass[truth].Name), .. summary.Confusion[truth].Select(n => new Text(n == 0 ? "." : FormattableString.Invariant($"{n}")))]);
        return table;
    }

    private static Text Number(double value) => new(FormattableString.Invariant($"{value:f3}"));

    private static string Percent(double value) => FormattableString.Invariant($"{100 * value:f1} %");
}
