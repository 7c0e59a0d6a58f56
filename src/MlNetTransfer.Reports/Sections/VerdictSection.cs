using MlNetTransfer.Checks;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>What the run means, in sentences that anyone understands, and what to do next.</summary>
internal static class VerdictSection
{
    private const double ManyRejected = 0.05;

    public static Html Of(FinishedRun run)
    {
        RunDocument d = run.Document;
        int judged = d.Confusion.Sum(row => row.Sum());
        Html figures = Html.Of(
            $"""
            <p class="verdict">{Verdict(d, judged)}</p>
            <p>{Compared(d)} {How(d)} {Beside(d)}</p>
            <p class="next"><strong>Next:</strong> {Next(d)}</p>

            """
        );
        (string, double, double, double)[] rows =
        [
            ("this model", d.Accuracy, d.AccuracyInterval[0], d.AccuracyInterval[1]),
        ];
        if (d.Previous is { } old)
            rows =
            [
                .. rows,
                ("the model that was here before", old.Accuracy, old.AccuracyInterval[0], old.AccuracyInterval[1]),
            ];
        Html chart = RunCharts.Intervals(
            "accuracy-chart",
            "Accuracy with its 95 % interval",
            rows,
            ("always the most common class", d.MajorityShare),
            ("blind guessing", d.Chance)
        );
        return PageFrame.Section("verdict", "Verdict", Html.Of($"{figures}<figure>{chart}</figure>{Before(d)}"));
    }

    private static string Verdict(RunDocument d, int judged) =>
        $"Of {Figure.Count(judged, "image")} it had not seen, the model named the class of "
        + $"{Figure.Percent(d.Accuracy)} "
        + $"rightly. On new images like these, expect {Figure.Range(d.AccuracyInterval[0], d.AccuracyInterval[1])}.";

    private static string Compared(RunDocument d)
    {
        string guess =
            $"Blind guessing gets {Figure.Percent(d.Chance)}; always saying '{d.MajorityClass}' gets "
            + $"{Figure.Percent(d.MajorityShare)}.";
        return IsShown(d) ? guess : guess + " The model is not shown to be better than that.";
    }

    /// <summary>What training the network was worth, and what a choice among strategies says.</summary>
    private static string Beside(RunDocument d)
    {
        if (d.Frozen is { } frozen)
            return $"A classifier on the untrained network gets {Figure.Percent(frozen.Accuracy)} of the same images: "
                + frozen.Verdict switch
                {
                    "helped" => "training the network helped.",
                    "harmed" => "training the network did harm; train the classifier alone (--strategy head).",
                    _ => "training the network makes no difference that these images can show.",
                };
        return d is { CorrectedAccuracy: { } corrected, CorrectedInterval: [var low, var high] }
            ? "The same images chose the way of training, which can make the figure a little too good; corrected it is "
                + $"{Figure.Percent(corrected)}, {Figure.Range(low, high)}."
            : "";
    }

    private static bool IsShown(RunDocument d) => d.AccuracyInterval[0] > d.MajorityShare;

    private static string How(RunDocument d) =>
        d.Protocol.Kind switch
        {
            "crossValidation" =>
                $"Found by {d.Protocol.Folds}-fold cross-validation: every image was judged by a model "
                    + $"that was not trained on it; the model that was written is trained on all {d.TrainImages:N0}.",
            "ownSplit" => $"Found on {d.TestImages:N0} images held out by the split that they come with; "
                + $"{d.TrainImages:N0} were trained on.",
            _ => $"Found on {d.TestImages:N0} images held out by lot; {d.TrainImages:N0} were trained on.",
        };

    private static string Next(RunDocument d)
    {
        int seen = d.Images + d.Rejected.Count;
        if (d.Rejected.Count > ManyRejected * seen)
            return $"{Figure.Count(d.Rejected.Count, "image")} of {seen:N0} could not be used; mend or replace them, "
                + "then train again.";
        if (!IsShown(d))
            return "look at the mistakes below: are the labels right, and could you tell these images apart yourself? "
                + "Then add images of every class.";
        ClassScore[] judged = [.. d.PerClass.Where(c => c.Support > 0)];
        ClassScore weakest = judged.MinBy(c => c.Recall)!;
        if (weakest.Recall >= 1)
            return "no image was taken for another class. Try it on images from where it will be used.";
        int truth = d.PerClass.ToList().IndexOf(weakest);
        Mixed? worst = Mixed.Pairs(d).FirstOrDefault(p => p.Truth == truth);
        string taken = worst is null ? "" : $", most often taken for '{d.PerClass[worst.Predicted].Name}'";
        string few = weakest.Support < EvaluationProtocol.FewHeldOut ? $", of only {weakest.Support} to judge by" : "";
        return $"the weakest class is '{weakest.Name}': {Figure.Percent(weakest.Recall)} "
            + $"found{few}{taken}. Add images of "
            + "it, or look at those that are confused.";
    }

    private static Html Before(RunDocument d)
    {
        if (d.Previous is not { } old)
            return Html.Empty;
        bool overlap =
            old.AccuracyInterval[0] <= d.AccuracyInterval[1] && d.AccuracyInterval[0] <= old.AccuracyInterval[1];
        string said = overlap
            ? "The intervals overlap, so this is no proof of a change."
            : "The intervals do not overlap.";
        return Html.Of(
            $"<p class=\"soft\">The model that was here before: {Figure.Percent1(old.Accuracy)} on "
                + $"{Figure.Count(old.TestImages, "image")}. {said}</p>"
        );
    }
}

/// <summary>What to look at first, each with a link to where it is shown.</summary>
internal static class FixFirst
{
    private const int Most = 5;
    private const double Uncalibrated = 0.1;
    private const int ForCalibration = 200;

    public static Html Of(FinishedRun run, Func<int, int, bool> isShown)
    {
        RunDocument d = run.Document;
        Mixed[] pairs = [.. Mixed.Pairs(d)];
        IEnumerable<Html> items = pairs.Take(Most).Select(p => Pair(d, p, isShown(p.Truth, p.Predicted)));
        items = items.Append(Small(d)).Append(Certain(run)).Append(Calibration(d)).Append(Rejected(d));
        items = items.Concat(d.Notes.Select(n => Html.Of($"<li>{n}</li>"))).Append(Found(d));
        Html[] said = [.. items.Where(i => i.Markup.Length > 0)];
        return PageFrame.Section(
            "first",
            "What to fix first",
            said.Length == 0 ? Html.Of($"<p>Nothing stands out.</p>") : Html.Of($"<ul class=\"fix\">{said}</ul>")
        );
    }

    private static Html Pair(RunDocument d, Mixed pair, bool shown)
    {
        Html link = shown
            ? Html.Of(
                $" <a href=\"#{CellIds.Of(pair.Truth, pair.Predicted)}\" "
                    + $"data-opens=\"{CellIds.Of(pair.Truth, pair.Predicted)}\">Look at them</a>."
            )
            : Html.Empty;
        string back = d.Confusion[pair.Predicted][pair.Truth] is > 0 and var reverse
            ? $" (and {reverse} the other way)"
            : "";
        return Html.Of(
            $"<li><strong>{d.PerClass[pair.Truth].Name}</strong> taken for <strong>"
                + $"{d.PerClass[pair.Predicted].Name}</strong>: {pair.Images} of {pair.Of}{back}.{link}</li>"
        );
    }

    private static Html Small(RunDocument d)
    {
        ClassScore[] few =
        [
            .. d.PerClass.Where(c => c.Support < EvaluationProtocol.FewHeldOut).OrderBy(c => c.Support),
        ];
        if (few.Length == 0)
            return Html.Empty;
        string names = string.Join(", ", few.Take(Most).Select(c => $"{c.Name} ({c.Support})"));
        string more = few.Length > Most ? $" and {few.Length - Most} more" : "";
        return Html.Of(
            $"<li>Too few images to judge well (under {EvaluationProtocol.FewHeldOut}): "
                + $"{names}{more}. Their figures can be off by twenty points and more.</li>"
        );
    }

    private static Html Found(RunDocument d) =>
        d.Findings?.Any(finding => finding.Files.Count > 0) ?? false
            ? Html.Of($"<li>The <a href=\"#checks\">data checks</a> show these images.</li>")
            : Html.Empty;

    private static Html Certain(FinishedRun run)
    {
        // What the checks found says it already, and more exactly.
        if (run.Document.FindingCounts.ContainsKey(FindingKind.LabelError))
            return Html.Empty;
        int sure = Judged.Of(run).Count(j => !j.IsRight && j.Probability >= 0.9);
        return sure == 0
            ? Html.Empty
            : Html.Of(
                $"<li>{Figure.Count(sure, "mistake")} at 90 % certainty or more: often a wrong label. <a "
                    + $"href=\"#mistakes\">Check them</a>.</li>"
            );
    }

    private static Html Calibration(RunDocument d)
    {
        int judged = d.Confusion.Sum(row => row.Sum());
        return judged < ForCalibration || d.Ece <= Uncalibrated
            ? Html.Empty
            : Html.Of(
                $"<li>Its percentages are off by {Figure.Percent(d.Ece)} on average: do not act on them "
                    + $"alone. <a href=\"#sure\">See how sure it is</a>.</li>"
            );
    }

    private static Html Rejected(RunDocument d) =>
        d.Rejected.Count == 0
            ? Html.Empty
            : Html.Of(
                $"<li>{Figure.Count(d.Rejected.Count, "image")} could not be used. <a href=\"#rejected\">"
                    + $"Which, and why</a>.</li>"
            );
}

/// <summary>Ids of the boxes that hold the images of a cell.</summary>
internal static class CellIds
{
    public static string Of(int truth, int predicted) => FormattableString.Invariant($"cell-{truth}-{predicted}");
}
