using MlNetTransfer.Evaluation;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>What the model says beside its answer, and how well each class's probability ranks the images.</summary>
internal static class PromisesSection
{
    private const int MostClasses = 200;

    /// <summary>What the model file promises; nothing of a run of an earlier version.</summary>
    public static Html Of(FinishedRun run) =>
        run.Document.Reliability is not { } promised
            ? Html.Empty
            : PageFrame.Section(
                "promises",
                "What it promises",
                Html.Of($"<ul>{promised.Lines().Select(line => Html.Of($"<li>{line}</li>"))}</ul>\n")
            );

    /// <summary>Areas under the ROC curves and average precisions, the lowest first; nothing of earlier runs.</summary>
    public static Html Ranking(FinishedRun run)
    {
        if (run.Document.Ranking is not { MacroRocAuc: { } area, MacroAveragePrecision: { } precision } ranking)
            return Html.Empty;
        ClassRanking[] shown =
        [
            .. ranking.PerClass.Where(c => c.RocAuc is not null).OrderBy(c => c.RocAuc!.Value.Value).Take(MostClasses),
        ];
        Html table = PageFrame.Table(
            "How well each class is ranked",
            ["class", "area under the ROC curve", "95 % interval", "average precision", "95 % interval"],
            shown.Select(c =>
                PageFrame.Row(
                    c.Name,
                    Figure.Three(c.RocAuc!.Value.Value),
                    Range(c.RocAuc.Value),
                    Figure.Three(c.AveragePrecision!.Value.Value),
                    Range(c.AveragePrecision.Value)
                )
            )
        );
        return PageFrame.Section(
            "ranking",
            "How well each class stands out",
            Html.Of(
                $"""
                <p>The area under the ROC curve is how often an image of the class gets a higher probability for it
                than an image of another; ½ is guessing. Average precision looks at the images that come first. Both
                are the same whatever the threshold. Means of the classes: {Figure.Three(area.Value)} ({Range(
                    area
                )}) and {Figure.Three(precision.Value)} ({Range(precision)}).</p>{Curves(
                    run
                )}{table}

                """
            )
        );
    }

    /// <summary>What each threshold would give.</summary>
    private static Html Curves(FinishedRun run)
    {
        if ((long)run.Classes.Count * run.Images.Count > RankingCurves.MostValues)
            return Html.Of(
                $"<p class=\"soft small\">Curves are left out: there are too many images of too many classes.</p>"
            );
        if (RankingCurves.Of(run.Classes, [.. Judged.Of(run).Select(j => j.Truth)], run.Images) is not { } curves)
            return Html.Empty;
        string some =
            curves.Measured > curves.Weakest.Count
                ? $" Of {curves.Measured:N0} classes the {curves.Weakest.Count} with the smallest areas are drawn, and "
                    + "the mean of all."
                : "";
        Html roc = Captioned(
                RankingCharts.Roc(curves),
                "From the bottom left, with a falling threshold: how much of a class is found, and how much of the "
                    + "others is wrongly taken for it. Towards the top left is better; the broken line is "
                    + $"guessing.{some}"
            ),
            precision = Captioned(
                RankingCharts.PrecisionRecall(curves),
                "How often the model is right when it says a class, by how much of it is found. Towards the top right "
                    + $"is better: where a line falls, finding more costs more wrong ones.{some}"
            );
        return Html.Of($"<div class=\"charts pair\">{roc}{precision}</div>\n");
    }

    private static Html Captioned(Html chart, string words) =>
        Html.Of($"<figure>{chart}<figcaption>{words}</figcaption></figure>\n");

    private static string Range(Estimate estimate) => $"{Figure.Three(estimate.Low)} to {Figure.Three(estimate.High)}";
}
