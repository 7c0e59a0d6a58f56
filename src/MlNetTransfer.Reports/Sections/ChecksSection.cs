using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>The findings whose images the page shows.</summary>
/// <param name="Labels">Labels that are likely wrong, the surest first.</param>
/// <param name="Pairs">Images that are there twice, or nearly: those that spoil the figures first.</param>
/// <param name="Outliers">Images unlike their class, the farthest first.</param>
internal sealed record ShownFindings(
    IReadOnlyList<DataFinding> Labels,
    IReadOnlyList<DataFinding> Pairs,
    IReadOnlyList<DataFinding> Outliers
)
{
    private const int MostLabels = 24,
        MostPairs = 12,
        MostOutliers = 12;

    /// <summary>Their images.</summary>
    public IEnumerable<string> Files => Labels.Concat(Pairs).Concat(Outliers).SelectMany(finding => finding.Files);

    public static ShownFindings Of(RunDocument run)
    {
        IReadOnlyList<DataFinding> all = run.Findings ?? [];
        return new ShownFindings(
            [.. all.Where(f => f.Kind == FindingKind.LabelError && f.Files.Count > 0).Take(MostLabels)],
            [.. all.Where(f => f.Files.Count > 1).OrderBy(f => f.Kind).Take(MostPairs)],
            [.. all.Where(f => f.Kind == FindingKind.Outlier && f.Files.Count > 0).Take(MostOutliers)]
        );
    }
}

/// <summary>What is wrong, or likely wrong, with the images, as far as the run itself could tell.</summary>
internal static class ChecksSection
{
    /// <summary>Nothing of runs of earlier versions.</summary>
    public static Html Of(FinishedRun run, ShownFindings shown, Pictures pictures)
    {
        RunDocument d = run.Document;
        if (d.Findings is null)
            return Html.Empty;
        Html table = PageFrame.Table(
            "What was found",
            ["what", "how many", "what to do"],
            d.FindingCounts.OrderBy(kind => kind.Key).Select(kind => Row(kind.Key, kind.Value)),
            ofFacts: true
        );
        string left =
            d.FindingsLeftOut > 0
                ? $" {d.FindingsLeftOut:N0} more findings are counted here and not listed there."
                : "";
        return PageFrame.Section(
            "checks",
            "Data checks",
            Html.Of(
                $"""
                <p><strong>{Verdict(d)}</strong></p>
                {table.If(d.FindingCounts.Count > 0)}
                {Labels(run, shown, pictures)}{Pairs(run, shown, pictures)}{Outliers(shown, pictures)}
                <p class="soft small">Found by the features of the network and by what models said of images that they
                had not seen; nothing was looked at again. A finding is a reason to look, no proof. report.json has them
                (findings).{left}</p>
                {Next(run)}

                """
            )
        );
    }

    private static string Verdict(RunDocument d)
    {
        int leaks = Count(FindingKind.Leak),
            conflicts = Count(FindingKind.LabelConflict),
            labels = Count(FindingKind.LabelError);
        List<string> said = [];
        if (leaks > 0)
            said.Add($"{Images(leaks)} also in the other part of the split, or nearly: the figures may be too good.");
        if (labels > 0)
            said.Add(
                $"{Figure.Count(labels, "image")} may carry the wrong label: look at "
                    + $"{(labels == 1 ? "it" : "them")} first."
            );
        if (conflicts > 0)
            said.Add($"{Images(conflicts)} in two classes, or nearly: decide which is right.");
        if (said.Count == 0)
            said.Add("No label stands out as wrong.");
        return string.Join(' ', said);

        int Count(FindingKind kind) => d.FindingCounts.GetValueOrDefault(kind);

        static string Images(int count) => $"{Figure.Count(count, "image")} {(count == 1 ? "is" : "are")}";
    }

    private static Html Row(FindingKind kind, int count)
    {
        string todo = DataFinding.ToDo(kind, count);
        return Html.Of(
            $"<tr><th scope=\"row\">{Word(kind)}</th><td>{count}</td><td class=\"text\">"
                + $"{char.ToUpperInvariant(todo[0]) + todo[1..]}</td></tr>\n"
        );
    }

    private static Html Labels(FinishedRun run, ShownFindings shown, Pictures pictures)
    {
        var judged = Judged.Of(run).DistinctBy(j => j.Image.File).ToDictionary(j => j.Image.File);
        return Gallery(
            "Labels that are likely wrong",
            shown.Labels.Select(finding =>
            {
                string file = finding.Files[0];
                string own = Pictures.Short(finding.Class ?? "");
                Html said = judged.TryGetValue(file, out Judged? j)
                    ? Html.Of(
                        $"<span>the model says <strong>{Pictures.Short(run.Classes[j.Predicted])}</strong> at "
                            + $"{Figure.Percent(j.Probability)}, {own} at {Figure.Percent(j.OfTruth)}</span>"
                    )
                    : Html.Empty;
                return Shot(
                    pictures.Picture(file, finding.Class, IsText(run)),
                    Html.Of($"<b>labelled {own}</b>{said}"),
                    file
                );
            }),
            wide: false
        );
    }

    private static Html Pairs(FinishedRun run, ShownFindings shown, Pictures pictures) =>
        Gallery(
            "Images that are there twice, or nearly",
            shown.Pairs.Select(finding =>
            {
                (string one, string other) = (finding.Files[0], finding.Files[1]);
                string? first = finding.Class ?? run.ClassOf(one),
                    second = run.ClassOf(other);
                string classes = second is null || first == second ? first ?? "" : $"{first} and {second}";
                Html both = Html.Of(
                    $"{pictures.Picture(one, first, IsText(run))}{pictures.Picture(other, second, IsText(run))}"
                );
                return Shot(both, Html.Of($"<b>{Word(finding.Kind)}</b><span>{classes}</span>"), one, other);
            }),
            wide: true
        );

    private static Html Outliers(ShownFindings shown, Pictures pictures) =>
        Gallery(
            "Images unlike their class",
            shown.Outliers.Select(finding =>
                Shot(
                    pictures.Picture(finding.Files[0], finding.Class),
                    Html.Of($"<b>labelled {Pictures.Short(finding.Class ?? "")}</b>"),
                    finding.Files[0]
                )
            ),
            wide: false
        );

    private static Html Gallery(string title, IEnumerable<Html> shots, bool wide)
    {
        Html list = Html.Join(shots);
        return Html.Of($"<h3>{title}</h3><ul class=\"shots{(wide ? " wide" : "")}\">{list}</ul>\n")
            .If(list.Markup.Length > 0);
    }

    private static Html Shot(Html pictures, Html said, params IReadOnlyList<string> files)
    {
        Html names = Html.Join(files.Select(file => Html.Of($"<span class=\"file\" tabindex=\"0\">{file}</span>")));
        return Html.Of($"<li class=\"shot\">{pictures}<div>{said}{names}</div></li>\n");
    }

    /// <summary>The command that looks closer; nothing for texts, which it does not take.</summary>
    private static Html Next(FinishedRun run)
    {
        if (IsText(run))
            return Html.Empty;
        string source = run.Document.Request()?.Folder ?? "FOLDER";
        bool archive = source.EndsWith(".zip", StringComparison.OrdinalIgnoreCase);
        string apply = archive ? "" : " --apply cleaned.csv",
            list = archive ? "" : ", and writes a list without images that are there twice";
        return Html.Of(
            $"<p class=\"next\"><strong>Next:</strong> the whole check looks at the pixels too{list}.</p>"
                + $"<pre><code>mlnet-transfer check {Quoted(source)}{apply}</code></pre>"
        );
    }

    private static bool IsText(FinishedRun run) =>
        run.Images.Any(image =>
            image.Location is TextLocation || image.File.EndsWith(".txt", StringComparison.OrdinalIgnoreCase)
        );

    private static string Quoted(string path) =>
        path.All(c => char.IsLetterOrDigit(c) || "/\\.:_-".Contains(c, StringComparison.Ordinal))
            ? path
            : $"\"{path.Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string Word(FindingKind kind) =>
        kind switch
        {
            FindingKind.Leak => "in two parts of the split",
            FindingKind.LabelConflict => "in two classes",
            FindingKind.LabelError => "likely a wrong label",
            FindingKind.Duplicate => "the same image twice",
            FindingKind.NearDuplicate => "nearly the same image twice",
            FindingKind.Outlier => "unlike its class",
            FindingKind.SmallClass => "class too small",
            FindingKind.Imbalance => "classes of very different size",
            _ => kind.ToString(),
        };
}
