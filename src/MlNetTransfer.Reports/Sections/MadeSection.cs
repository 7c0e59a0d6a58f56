using MlNetTransfer.Jobs;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>
/// How the model was chosen and made, how to make it again, its card, what was rejected, and the glossary.
/// </summary>
internal static class MadeSection
{
    private const int MostRows = 40;
    private const int MostRejected = 200;

    /// <summary>What was compared before the model was made; nothing where all was given.</summary>
    public static Html Choices(FinishedRun run)
    {
        RunDocument d = run.Document;
        Html tables = Html.Join([Strategies(d), Leaderboard(d), Taps(d), Heads(d)]);
        if (tables.Markup.Length == 0)
            return Html.Empty;
        return PageFrame.Section(
            "choices",
            "What was tried",
            Html.Of(
                $"<p>Compared by cross-validation on the images to train alone; the images that the model "
                    + $"is judged by took no part.</p>{tables}"
            )
        );
    }

    /// <summary>Configuration, digests, and the command.</summary>
    public static Html Again(FinishedRun run)
    {
        RunDocument d = run.Document;
        TrainOptions? request = d.Request();
        Html command =
            d.Command is { } typed ? Html.Of($"<p>The command that made it:</p><pre><code>{typed}</code></pre>")
            : request is not null
                ? Html.Of(
                    $"<p>It was made by a program. In C#, the request below makes it again: <code>"
                        + $"JobRequest.FromJson(json).CreateJob().Run()</code>.</p>"
                )
            : Html.Empty;
        Html options = request is null
            ? Html.Empty
            : Html.Of(
                $"<details class=\"printed\"><summary>All options that were given (the request as "
                    + $"JSON)</summary><pre><code>{request.ToJson()}</code></pre></details>"
            );
        IEnumerable<Html> rows =
        [
            PageFrame.Fact("backbone", d.Backbone),
            PageFrame.Fact("features", $"{d.FeatureWidth} of {Listed(d.Taps)}"),
            PageFrame.Fact("head", d.Head),
            PageFrame.Fact("strategy", d.Strategy),
            PageFrame.Fact("how it was judged", $"{Protocol(d)} ({d.Protocol.Reason})"),
            PageFrame.Fact("seed", $"{d.Seed}"),
            PageFrame.Fact("temperature", Figure.Three(d.Temperature)),
            PageFrame.Fact("model file, SHA-256", d.ModelSha256),
            PageFrame.Fact("training digest", d.TrainingDigest),
            PageFrame.Fact(
                "the file against what was judged",
                $"{d.Parity.Images} images, largest difference in probability {d.Parity.MaxDifference:g2}"
            ),
            PageFrame.Fact("time", $"{d.Seconds:0.0} s"),
        ];
        Html table = PageFrame.Table("Configuration and digests", ["what", "value"], rows, ofFacts: true);
        return PageFrame.Section(
            "again",
            "How to make it again",
            Html.Of(
                $"<p>The same images, options, seed and version give the same model file, byte for byte, "
                    + $"on the same kind of machine; the digests say whether they were the same.</p>"
                    + $"{command}{table}{options}"
            )
        );
    }

    /// <summary>The model card of the model file; nothing where it has none.</summary>
    public static Html Card(FinishedRun run) =>
        run.Card is { } card
            ? PageFrame.Section(
                "card",
                "Model card",
                Html.Of(
                    $"<details class=\"printed\"><summary>What the model is for, what it was made of and "
                        + $"where not to trust it</summary>{CardText.ToHtml(card)}</details>"
                )
            )
            : Html.Empty;

    /// <summary>Images that were not used.</summary>
    public static Html Rejected(FinishedRun run)
    {
        RunDocument d = run.Document;
        if (d.Rejected.Count == 0)
            return Html.Empty;
        string more =
            d.Rejected.Count > MostRejected
                ? $"The first {MostRejected} of {d.Rejected.Count:N0}; report.json has all."
                : "";
        Html table = PageFrame.Table(
            "Images that were not used",
            ["file", "why"],
            d.Rejected.Take(MostRejected)
                .Select(r =>
                    Html.Of(
                        $"<tr><th scope=\"row\"><span class=\"long\">{r.File}</span></th><td class=\"text\">"
                            + $"{r.Reason}</td></tr>\n"
                    )
                ),
            ofFacts: true
        );
        return PageFrame.Section("rejected", "Images that were not used", Html.Of($"<p>{more}</p>{table}"));
    }

    private static Html Leaderboard(RunDocument d) =>
        d.Leaderboard.Count == 0
            ? Html.Empty
            : PageFrame.Table(
                $"Networks, the most accurate "
                    + $"first{(d.Leaderboard.Count > MostRows ? $" ({MostRows} of {d.Leaderboard.Count})" : "")}",
                [
                    "network",
                    "head",
                    "accuracy",
                    "behind the first",
                    "95 % interval of that",
                    "ms per image",
                    "MB",
                    "taken",
                ],
                d.Leaderboard.Take(MostRows)
                    .Select(r =>
                        PageFrame.Row(
                            $"{r.Backbone} at {Listed(r.Taps)}",
                            r.Head,
                            Figure.Percent1(r.Accuracy),
                            Points(r.Difference),
                            $"{Points(r.DifferenceInterval[0])} to {Points(r.DifferenceInterval[1])}",
                            $"{r.Milliseconds:0.0}",
                            $"{r.Megabytes:0}",
                            r.Taken ? "taken" : ""
                        )
                    )
            );

    private static Html Strategies(RunDocument d) =>
        d.Strategies.Count == 0 ? Html.Empty : Html.Of($"{Advised(d)}{WaysTable(d)}");

    /// <summary>What the rule of thumb asked for, and whether the images then spoke for it.</summary>
    private static Html Advised(RunDocument d) =>
        d.Advised is not { } advised
            ? Html.Empty
            : Html.Of(
                $"""
                <p>Before anything was tried, the rule of thumb asked for {advised.Strategy ?? ""}:
                {advised.ImagesPerClass:0} images a class, and frozen features get
                {Figure.Percent(advised.Separability)} of what guessing gets wrong right. That was
                {(d.AdviceWasRight == true ? "right" : "not what the images spoke for")}.</p>

                """
            );

    private static Html WaysTable(RunDocument d) =>
        PageFrame.Table(
            "Ways of training, on the same images",
            ["way", "accuracy", "beside the head", "95 % interval of that", "log-loss", "seconds", "taken"],
            d.Strategies.Select(way =>
                PageFrame.Row(
                    way.Strategy,
                    Figure.Percent1(way.Accuracy),
                    Points(way.Gain),
                    $"{Points(way.GainInterval[0])} to {Points(way.GainInterval[1])}",
                    Figure.Three(way.LogLoss),
                    $"{way.Seconds:0}",
                    way.Taken ? "taken" : ""
                )
            )
        );

    private static Html Taps(RunDocument d) =>
        d.TapTrials.Count == 0
            ? Html.Empty
            : PageFrame.Table(
                "Places in the network to take features from (taps)",
                ["tap", "features", "log-loss", "±", "accuracy"],
                d.TapTrials.Take(MostRows)
                    .Select(t =>
                        PageFrame.Row(
                            t.Tap ?? "",
                            $"{t.Width}",
                            Figure.Three(t.LogLoss),
                            Figure.Three(t.StandardError),
                            Figure.Percent1(t.Accuracy)
                        )
                    )
            );

    private static Html Heads(RunDocument d) =>
        d.HeadTrials.Count < 2
            ? Html.Empty
            : PageFrame.Table(
                "Kinds of head",
                ["head", "log-loss", "±", "accuracy", "taken"],
                d.HeadTrials.Select(t =>
                    PageFrame.Row(
                        t.Name ?? "",
                        Figure.Three(t.LogLoss),
                        Figure.Three(t.StandardError),
                        Figure.Percent1(t.Accuracy),
                        t.Name == d.Head ? "taken" : ""
                    )
                )
            );

    private static string Protocol(RunDocument d) =>
        d.Protocol.Kind switch
        {
            "crossValidation" => $"{d.Protocol.Folds}-fold cross-validation",
            "ownSplit" => "the images' own split",
            _ => $"{Figure.Percent(d.Protocol.TestFraction ?? 0)} held out",
        };

    private static string Points(double difference) => Figure.Points(difference) + " points";

    private static string Listed(IReadOnlyList<string> taps) =>
        taps.Count > 3 ? $"{taps.Count} taps" : string.Join(" + ", taps);
}
