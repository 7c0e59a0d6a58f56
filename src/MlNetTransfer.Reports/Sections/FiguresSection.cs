using MlNetTransfer.Evaluation;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>The figures, the curves of the training, the table of classes and how sure the model is.</summary>
internal static class FiguresSection
{
    private const int MostClasses = 200;

    public static Html Of(FinishedRun run)
    {
        RunDocument d = run.Document;
        int judged = d.Confusion.Sum(row => row.Sum());
        double macro = d.PerClass.Average(c => c.F1),
            balanced = d.PerClass.Where(c => c.Support > 0).Average(c => c.Recall);
        string folds =
            d.FoldAccuracies.Count > 1 ? $"folds {Figure.Range1(d.FoldAccuracies.Min(), d.FoldAccuracies.Max())}" : "";
        string before = d.LogLossUncalibrated > 0 ? $"{Figure.Three(d.LogLossUncalibrated)} before calibration" : "";
        return PageFrame.Section(
            "figures",
            "Figures",
            Html.Of(
                $"""
                <dl class="figures">
                {Tile(
                    "Accuracy",
                    Figure.Percent1(d.Accuracy),
                    $"95 %: {Figure.Range1(d.AccuracyInterval[0], d.AccuracyInterval[1])}"
                )}
                {Tile("Images judged", $"{judged:N0}", folds)}
                {Tile("Mean recall of the classes", Figure.Percent1(balanced), "every class counts the same")}
                {Tile("Mean F1 of the classes", Figure.Percent1(macro), "")}
                {Tile("Log-loss", Figure.Three(d.LogLoss), before)}
                {Tile("Calibration error", Figure.Percent1(d.Ece), "how far its percentages are off")}
                </dl>

                """
            )
        );
    }

    /// <summary>Log-loss and accuracy by epoch; nothing where the head alone was trained.</summary>
    public static Html Curves(FinishedRun run)
    {
        RunDocument d = run.Document;
        IReadOnlyList<EpochDocument> epochs = run.Epochs.Count > 0 ? run.Epochs : d.Training?.Metrics ?? [];
        epochs = [.. epochs.Where(e => !e.Refit)];
        if (epochs.Count == 0 || d.Training is not { } training)
            return Html.Empty;
        List<Html> charts = [];
        Curve train = Of("training", e => e.TrainLoss),
            validation = Of("validation", e => e.ValidationLoss),
            accuracy = Of("validation", e => e.ValidationAccuracy);
        if (train.Runs.Count + validation.Runs.Count > 0)
            charts.Add(
                Captioned(
                    RunCharts.Curves(
                        "loss-chart",
                        "Log-loss by epoch",
                        train.Runs.Count > 0 ? train : validation,
                        train.Runs.Count > 0 && validation.Runs.Count > 0 ? validation : null,
                        share: false
                    ),
                    "Log-loss by epoch: lower is better."
                )
            );
        if (accuracy.Runs.Count > 0)
            charts.Add(
                Captioned(
                    RunCharts.Curves("epoch-chart", "Accuracy by epoch in %", accuracy, null, share: true),
                    "Accuracy in % by epoch on the images set aside."
                )
            );
        Html figures = Html.Join(charts);
        string ended = training.Ended is { } why ? $" It ended early: {why}." : "";
        string rate = training.Rates?.Count(trial => !trial.Ruined) is > 0 and var rates
            ? FormattableString.Invariant(
                $" The learning rate, {training.LearningRate:g2}, was chosen from {rates} by short trainings."
            )
            : "";
        string folds = train.Runs.Count > 1 ? " Faint lines are the other trainings, one per fold." : "";
        return PageFrame.Section(
            "curves",
            "How the training went",
            Html.Of(
                $"<p>{training.Blocks - training.FrozenBlocks} of {training.Blocks} blocks of the network "
                    + $"were trained for {Figure.Count(training.Epochs, "epoch")}; "
                    + $"{(training.BestEpoch == 0 ? "nothing of it" : $"epoch {training.BestEpoch}")} is written, "
                    + $"judged by {Figure.Count(training.ValidationImages, "image")} set aside for "
                    + $"that.{ended}{rate}{folds}</p><div class=\"charts\">{figures}</div>"
            )
        );

        Curve Of(string name, Func<EpochDocument, double?> value) =>
            new(
                name,
                [
                    .. epochs
                        .Where(e => value(e) is { } v && double.IsFinite(v))
                        .GroupBy(e => e.Fold)
                        .OrderBy(g => g.Key)
                        .Select(g =>
                            (IReadOnlyList<(double, double)>)
                                [.. g.OrderBy(e => e.Epoch).Select(e => ((double)e.Epoch, value(e)!.Value))]
                        ),
                ]
            );
    }

    private static Html Captioned(Html chart, string words) =>
        Html.Of($"<figure>{chart}<figcaption>{words}</figcaption></figure>");

    /// <summary>Every class; of very many, those found least.</summary>
    public static Html Classes(FinishedRun run)
    {
        RunDocument d = run.Document;
        ClassScore[] shown = [.. d.PerClass.OrderBy(c => c.Support == 0).ThenBy(c => c.Recall).Take(MostClasses)];
        string left =
            d.PerClass.Count > shown.Length
                ? $"The {shown.Length} classes that are found least, of {d.PerClass.Count:N0}; report.json has all."
                : "Those found least come first.";
        Html table = PageFrame.Table(
            "Classes",
            ["class", "images", "found (recall)", "95 % interval", "right when said (precision)", "F1"],
            shown.Select(c =>
            {
                Interval interval = ClassIntervals.Recall(c);
                Html name = Html.Of($"<span class=\"long\">{c.Name}</span>");
                return Html.Of(
                    $"<tr data-filtered><th scope=\"row\">{name}</th><td>{c.Support}</td><td>{Found(c)}</td>"
                        + $"<td>{Figure.Range(interval.Low, interval.High)}</td><td>"
                        + $"{Figure.Percent(c.Precision)}</td><td>{Figure.Percent(c.F1)}</td></tr>\n"
                );
            })
        );
        return PageFrame.Section(
            "classes",
            "Classes",
            Html.Of(
                $"<p>{left}</p><p class=\"tools needs-script\"><label>Show classes with <input "
                    + $"type=\"search\" data-filters=\"classes\"></label></p>{table}"
            )
        );
    }

    /// <summary>How sure the model is, against how often it is right.</summary>
    public static Html Reliability(FinishedRun run)
    {
        IReadOnlyList<ReliabilityBin> bins = ReliabilityBin.Of(Judged.Of(run).Select(j => (j.Probability, j.IsRight)));
        Html table = PageFrame.Table(
            "How sure and how right",
            ["how sure", "images", "right", "95 % interval", "mean certainty"],
            bins.Where(b => b.Images > 0)
                .Select(b =>
                {
                    Interval i = WilsonInterval.Of((int)Math.Round(b.Accuracy * b.Images), b.Images);
                    return PageFrame.Row(
                        Figure.Range(b.Low, b.High),
                        $"{b.Images}",
                        Figure.Percent(b.Accuracy),
                        Figure.Range(i.Low, i.High),
                        Figure.Percent(b.Confidence)
                    );
                })
        );
        return PageFrame.Section(
            "sure",
            "Can its percentages be believed?",
            Html.Of(
                $"""
                <p>When the model says 80 %, it should be right on about 80 of 100 such images.
                Bars are how often it was right; the short lines are what it said. Where a bar is
                below its line, the model is too sure. Bins with few images say little.</p>
                <div class="charts"><figure>{RunCharts.Reliability(bins)}</figure><div>{table}</div></div>

                """
            )
        );
    }

    private static string Found(ClassScore c) => c.Support == 0 ? "no image" : Figure.Percent(c.Recall);

    private static Html Tile(string name, string value, string more) =>
        Html.Of($"<div><dt>{name}</dt><dd>{value}<span>{more}</span></dd></div>");
}
