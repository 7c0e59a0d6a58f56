using System.Globalization;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>
/// Prints a training run for people: first what it means, then the tables, last what a reader should know.
/// </summary>
internal static class TrainReport
{
    private const int LeaderboardRows = 12;

    /// <param name="console">Where to.</param>
    /// <param name="summary">The run.</param>
    /// <param name="page">Its page; null where there is none.</param>
    public static void Print(IAnsiConsole console, TrainSummary summary, string? page)
    {
        console.WriteLine();
        console.WriteLine(VerdictLine.Of(summary, "images it has not seen"));
        console.WriteLine(Protocol(summary));
        if (summary.Strategies.Count > 0)
            Strategies(console, summary);
        if (summary.Frozen is { } frozen)
            console.WriteLine(Beside(frozen, summary));
        if (summary.Previous is { } previous)
            console.WriteLine(Change(previous, summary));
        console.WriteLine();
        if (summary.Leaderboard.Count > 0)
            LeaderboardTable.Print(
                console,
                summary.Leaderboard,
                "Backbones by cross-validation on the images to train",
                LeaderboardRows
            );
        if (summary.FoldBackbones.Count > 0)
            console.WriteLine(ChosenPerFold(summary));
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
        foreach (string line in summary.Reliability?.Lines() ?? [])
            console.WriteLine(line);
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
        if (page is not null)
            console.WriteLine($"Report {page}: open it in a browser to see the images that were wrong.");
    }

    /// <summary>How often each backbone was chosen in the folds: "Chosen in 5 folds: a 3 times, a+b 2 times".</summary>
    private static string ChosenPerFold(TrainSummary summary)
    {
        IEnumerable<string> counts = summary
            .FoldBackbones.GroupBy(id => id)
            .OrderByDescending(same => same.Count())
            .Select(same => $"{same.Key} {same.Count()} time{(same.Count() == 1 ? "" : "s")}");
        return $"Chosen anew in each of {summary.FoldBackbones.Count} folds, on its training images alone: "
            + $"{string.Join(", ", counts)}.";
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

    /// <summary>The ways that were compared, and what was taken for what reason.</summary>
    private static void Strategies(IAnsiConsole console, TrainSummary summary)
    {
        StrategyTrial taken = summary.Strategies.Single(way => way.Taken);
        console.WriteLine(
            taken == summary.Strategies[0]
                ? "The head on frozen features was kept: no training of the network was better than it by more than "
                    + "one standard error of the log-loss."
                : $"{taken.Strategy} was taken: {EvaluationTables.Points(taken.Gain)} points beside the head on frozen "
                    + $"features (95 %: {EvaluationTables.Points(taken.GainInterval)})."
        );
        if (summary.Advised is { } advised)
            console.WriteLine(
                FormattableString.Invariant($"The rule of thumb ({advised.ImagesPerClass:0} images a class; frozen ")
                    + FormattableString.Invariant($"features get {100 * advised.Separability:0} % of what guessing ")
                    + $"gets wrong right) asked for {advised.Strategy}: that was "
                    + $"{(summary.AdviceWasRight == true ? "right" : "not what the images speak for")}."
            );
        if (summary.CorrectedAccuracy is { } corrected)
            console.WriteLine(
                $"The images that chose are those that the accuracy is of; corrected for that it is "
                    + $"{Figure(corrected, summary.CorrectedInterval!, summary.TestImages)}."
            );
        Table table = Trials(
            $"Strategies on the same {taken.Images} images",
            "strategy",
            "accuracy",
            "beside the head",
            "95 %",
            "log-loss",
            "seconds"
        );
        foreach (StrategyTrial way in summary.Strategies)
            table.AddRow(
                new Text(way.Strategy),
                new Text(EvaluationTables.Percent(way.Accuracy)),
                new Text(EvaluationTables.Points(way.Gain)),
                new Text(EvaluationTables.Points(way.GainInterval)),
                Number(way.LogLoss),
                new Text(FormattableString.Invariant($"{way.Seconds:f0}")),
                new Text(way.Taken ? "taken" : "")
            );
        console.Write(table);
    }

    /// <summary>What training the network was worth, and what to do where it was worth nothing.</summary>
    private static string Beside(FrozenBaseline frozen, TrainSummary summary)
    {
        string gain =
            $"training the network {EvaluationTables.Points(frozen.Gain)} points (95 %: "
            + $"{EvaluationTables.Points(frozen.GainInterval)})";
        string verdict = frozen.Verdict switch
        {
            TransferVerdict.Helped => "It helped.",
            TransferVerdict.Harmed => "IT DID HARM: take --strategy head, or try a lower --lr or a larger --freeze.",
            _ => $"That is no difference that {summary.TestImages} images can show: --strategy head is as good, and "
                + "done in seconds.",
        };
        return $"Beside it, a head on the frozen features: "
            + $"{Figure(frozen.Accuracy, frozen.AccuracyInterval, summary.TestImages)}; {gain}. {verdict}";
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
                + $"epochs; {(training.BestEpoch == 0 ? "nothing of it" : $"epoch {training.BestEpoch}")} is written, "
                + $"judged by {training.ValidationImages} images set aside for that."
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
                summary.Taps.Count == summary.Backbone.Split('+').Length
                    ? summary.Taps.Contains(trial.Tap) || summary.Taps.Contains(Tail(trial.Tap))
                    : trial.Tap
                        == (summary.Head == HeadKind.Kernel.Label ? TapTrial.LastTogether : TapTrial.AllTogether);
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

    /// <summary>A tap as its network alone calls it.</summary>
    private static string Tail(string tap) => tap[(tap.IndexOf('/', StringComparison.Ordinal) + 1)..];

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

/// <summary>An evaluation in two plain sentences: how good, compared with guessing, and what to do next.</summary>
internal static class VerdictLine
{
    /// <param name="summary">The figures.</param>
    /// <param name="images">What they are of: "images it has not seen".</param>
    public static string Of(EvaluationFigures summary, string images)
    {
        string guessing =
            $"guessing the most common class gets {Percent(summary.MajorityShare)} %, chance "
            + $"{Percent(summary.Chance)} %";
        string better =
            summary.AccuracyInterval[0] <= summary.MajorityShare
                ? " That is not shown to be better than guessing."
                : "";
        return $"{Right(summary)} right on {images}; {guessing}.{better} {Advice(summary)}";
    }

    /// <summary>"77 % ± 7", or both ends of the interval where they are not equally far.</summary>
    public static string Right(EvaluationFigures summary)
    {
        double below = summary.Accuracy - summary.AccuracyInterval[0],
            above = summary.AccuracyInterval[1] - summary.Accuracy;
        return Math.Abs(above - below) <= 0.02 && summary.AccuracyInterval is [> 0, < 1]
            ? FormattableString.Invariant(
                $"{Percent(summary.Accuracy)} % ± {Math.Max(1, Math.Round(50 * (above + below))):f0}"
            )
            : $"{Percent(summary.Accuracy)} % ({Percent(summary.AccuracyInterval[0])} to "
                + $"{Percent(summary.AccuracyInterval[1])})";
    }

    private static string Advice(EvaluationFigures summary)
    {
        ClassScore[] judged = [.. summary.PerClass.Where(c => c.Support > 0)];
        ClassScore weakest = judged.MinBy(c => c.Recall)!;
        if (weakest.Recall >= 1)
            return "No image was taken for another class.";
        int truth = summary.PerClass.ToList().IndexOf(weakest);
        IReadOnlyList<int> row = summary.Confusion[truth];
        int wrong = Enumerable.Range(0, row.Count).Where(c => c != truth).MaxBy(c => row[c]);
        return $"Weakest: {weakest.Name} ({Percent(weakest.Recall)} %); most often taken for "
            + $"{summary.PerClass[wrong].Name}. "
            + $"Add images of {weakest.Name}, or look at those confused.";
    }

    /// <summary>Whole percents, but for what would look like all or nothing and is not.</summary>
    private static string Percent(double share) =>
        Math.Round(100 * share, share is (> 0 and < 0.005) or (< 1 and >= 0.995) ? 1 : 0, MidpointRounding.AwayFromZero)
            .ToString(CultureInfo.InvariantCulture);
}
