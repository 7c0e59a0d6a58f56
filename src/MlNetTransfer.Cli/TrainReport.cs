using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>
/// Prints a training run for people: first what it means, then the tables, last what a reader should know.
/// </summary>
internal static class TrainReport
{
    public static void Print(IAnsiConsole console, TrainSummary summary)
    {
        console.WriteLine();
        console.WriteLine(VerdictLine.Of(summary, "images it has not seen"));
        console.WriteLine(Protocol(summary));
        if (summary.Previous is { } previous)
            console.WriteLine(Change(previous, summary));
        console.WriteLine();
        if (summary.TapTrials.Count > 0)
            console.Write(Taps(summary));
        if (summary.HeadTrials.Count > 1)
            console.Write(Heads(summary));
        string taps = summary.Taps.Count > 3 ? $"{summary.Taps.Count} taps" : string.Join(" + ", summary.Taps);
        console.WriteLine(
            FormattableString.Invariant(
                $"Backbone {summary.Backbone} at {taps} ({summary.FeatureWidth} features); head: {summary.Head}."
            )
        );
        if (summary.Training is { } training)
            console.WriteLine(Trained(training));
        int evaluated = EvaluationTables.Evaluated(summary);
        if (evaluated >= EvaluationTables.ForCalibration)
            console.WriteLine(
                FormattableString.Invariant(
                    $"Calibrated: log-loss {summary.LogLossUncalibrated:f3} nats before, {summary.LogLoss:f3} after."
                )
            );
        console.WriteLine();
        EvaluationTables.Print(console, summary);
        EvaluationTables.Rejected(console, summary.Rejected);
        string cached =
            summary.FromCache > 0
                ? FormattableString.Invariant($" ({summary.FromCache} of {summary.Images} from the cache)")
                : "";
        EvaluationTables.Speed(console, summary.ImagesPerSecond, summary.Seconds, cached);
        foreach (string note in summary.Notes)
            console.WriteLine($"Note: {note}");
        console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"Model {summary.Model}: agrees with the evaluated one on {summary.Parity.Images} images (largest "
                    + $"difference {summary.Parity.MaxDifference:g2})."
            )
        );
    }

    /// <summary>How the figures came about, in one line.</summary>
    private static string Protocol(TrainSummary summary)
    {
        EvaluationProtocol protocol = summary.Protocol;
        string why = protocol.Asked ? "" : $", since {protocol.Reason} (--test-fraction or --folds decides otherwise)";
        string held = FormattableString.Invariant(
            $"{summary.TrainImages} images to train, {summary.TestImages} held out"
        );
        return protocol.Kind switch
        {
            ProtocolKind.CrossValidation => string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"By {protocol.Folds}-fold cross-validation{why}; folds {100 * summary.FoldAccuracyMean:f1} +- "
                    + $"{100 * summary.FoldAccuracySd:f1} %. The model is trained on all {summary.TrainImages} images."
            ),
            ProtocolKind.HeldOut => $"{held}{why}.",
            _ => $"{held}, by the split that the images come with.",
        };
    }

    private static string Change(PreviousRun old, TrainSummary summary)
    {
        bool overlap =
            old.AccuracyInterval[0] <= summary.AccuracyInterval[1]
            && summary.AccuracyInterval[0] <= old.AccuracyInterval[1];
        string before = Figure(old.Accuracy, old.AccuracyInterval, old.TestImages),
            now = Figure(summary.Accuracy, summary.AccuracyInterval, summary.TestImages);
        return $"The model that was here: {before} -> {now}. "
            + (overlap ? "The intervals overlap, so this is no proof of a change." : "The intervals do not overlap.");
    }

    private static string Figure(double accuracy, IReadOnlyList<double> interval, int images) =>
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{EvaluationTables.Percent(accuracy)} ({EvaluationTables.Percent(interval[0])} to "
                + $"{EvaluationTables.Percent(interval[1])}, n = {images})"
        );

    private static string Trained(TuneSummary training) =>
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{training.Blocks - training.FrozenBlocks} of {training.Blocks} blocks trained for {training.Epochs} "
                + $"epochs; epoch {training.BestEpoch} was best on {training.ValidationImages} images set aside for "
                + $"that."
        );

    private static Table Heads(TrainSummary summary)
    {
        Table table = Trials("Heads by cross-validation on the images to train", "head", "log-loss", "+-", "accuracy");
        foreach (HeadTrial trial in summary.HeadTrials)
        {
            string taken = summary.Head == trial.Name ? "taken" : "";
            table.AddRow(
                new Text(trial.Name),
                Number(trial.LogLoss),
                Number(trial.StandardError),
                Number(trial.Accuracy),
                new Text(taken)
            );
        }

        return table;
    }

    private static Table Taps(TrainSummary summary)
    {
        Table table = Trials(
            "Taps by cross-validation on the images to train",
            "tap",
            "features",
            "log-loss",
            "+-",
            "accuracy"
        );
        foreach (TapTrial trial in summary.TapTrials)
        {
            bool taken =
                summary.Taps.Count == 1
                    ? summary.Taps[0] == trial.Tap
                    : trial.Tap == (summary.Head == "kernel" ? TapTrial.LastTogether : TapTrial.AllTogether);
            Text width = new(FormattableString.Invariant($"{trial.Width}"));
            table.AddRow(
                new Text(trial.Tap),
                width,
                Number(trial.LogLoss),
                Number(trial.StandardError),
                Number(trial.Accuracy),
                new Text(taken ? "taken" : "")
            );
        }

        return table;
    }

    private static Table Trials(string title, string first, params string[] columns)
    {
        var table = new Table { Title = new TableTitle(title), Border = TableBorder.Simple };
        table.AddColumn(first);
        foreach (string column in columns)
            table.AddColumn(new TableColumn(column).RightAligned());
        return table.AddColumn("");
    }

    private static Text Number(double value) => new(FormattableString.Invariant($"{value:f3}"));
}
