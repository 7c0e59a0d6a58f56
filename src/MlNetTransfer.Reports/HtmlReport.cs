using System.Text;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Reports.Page;
using MlNetTransfer.Reports.Sections;

namespace MlNetTransfer.Reports;

/// <summary>
/// A training run as one HTML page that stands alone: it loads nothing, needs no script to be read, and escapes what
/// others wrote.
/// </summary>
public static class HtmlReport
{
    /// <summary>Name of the file beside report.json.</summary>
    public const string FileName = "report.html";

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="run">The run.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is made; null for the defaults.</param>
    /// <param name="cancellation">Ends the work; no file is touched.</param>
    /// <returns>What is in the page and what was left out.</returns>
    /// <exception cref="GraphException">The file cannot be written.</exception>
    public static HtmlReportSummary Write(
        FinishedRun run,
        string path,
        HtmlReportOptions? options = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(run);
        (string html, ThumbnailShelf shelf, int seen) = Page(run, options ?? new HtmlReportOptions(), cancellation);
        byte[] bytes = Encoding.UTF8.GetBytes(html);
        AtomicFile.Write(path, stream => stream.Write(bytes));
        return new HtmlReportSummary(path, bytes.Length, shelf.Count + seen, shelf.LeftOut + shelf.Unreadable);
    }

    private static (string Html, ThumbnailShelf Shelf, int Seen) Page(
        FinishedRun run,
        HtmlReportOptions options,
        CancellationToken cancellation
    )
    {
        RunDocument d = run.Document;
        ImageLimits limits = options.Limits ?? d.Request()?.Limits ?? new ImageLimits();
        ImagePlan plan = ImagePlan.Of(run, options);
        ShownFindings findings = ShownFindings.Of(d);
        AugmentationPreview seen = AugmentationPreview.Of(run, options, limits, cancellation);
        ThumbnailShelf shelf = ThumbnailShelf.Of(
            run.Shown(plan.InOrder(findings.Files)),
            options with
            {
                MaxThumbnails = options.MaxThumbnails - seen.Count,
                MaxThumbnailBytes = options.MaxThumbnailBytes - seen.Bytes,
            },
            limits,
            cancellation
        );
        MistakeOverlays overlays = MistakeOverlays.Of(run, plan.Mistakes, options, limits, cancellation);
        var pictures = new Pictures(run, shelf, overlays.Pictures);
        (string Id, string Title, Html Content)[] sections =
        [
            ("verdict", "Verdict", VerdictSection.Of(run)),
            ("first", "Fix first", FixFirst.Of(run, (truth, said) => plan.Cells.ContainsKey((truth, said)))),
            ("figures", "Figures", FiguresSection.Of(run)),
            ("curves", "Training", FiguresSection.Curves(run)),
            ("seen", "As training saw them", SeenSection.Of(seen)),
            ("confusion", "Confusion", ConfusionSection.Of(run, plan, pictures, LeftOut(run, shelf))),
            ("mistakes", "Mistakes", ConfusionSection.Mistakes(run, plan, pictures, overlays.Words)),
            ("checks", "Data checks", ChecksSection.Of(run, findings, pictures)),
            ("classes", "Classes", FiguresSection.Classes(run)),
            ("sure", "Certainty", FiguresSection.Reliability(run)),
            ("promises", "Promises", PromisesSection.Of(run)),
            ("ranking", "Ranking", PromisesSection.Ranking(run)),
            ("choices", "What was tried", MadeSection.Choices(run)),
            ("again", "Make it again", MadeSection.Again(run)),
            ("card", "Model card", MadeSection.Card(run)),
            ("rejected", "Not used", MadeSection.Rejected(run)),
            ("glossary", "Words", Glossary.Of()),
        ];
        sections = [.. sections.Where(s => s.Content.Markup.Length > 0)];
        Html header = Html.Of(
            $"<h1>Report on a classifier of {d.PerClass.Count} classes</h1><p class=\"soft\">"
                + $"{d.Backbone}, head: {d.Head}, {Figure.Count(d.Images, "image")}. <button id=\"theme\" "
                + $"class=\"needs-script small\" type=\"button\">Light or dark</button></p>"
        );
        string html = PageFrame.Of(
            $"{Figure.Percent(d.Accuracy)} right: a classifier of {d.PerClass.Count} classes",
            [.. sections.Select(s => (s.Id, s.Title))],
            header,
            Html.Join(sections.Select(s => s.Content))
        );
        return (html, shelf, seen.Count);
    }

    /// <summary>What the page does not show, so that nobody takes it for all.</summary>
    private static Html LeftOut(FinishedRun run, ThumbnailShelf shelf)
    {
        List<string> said = [];
        if (run.WithoutImages is { } why)
            said.Add($"Pictures are missing: {why}.");
        if (shelf.LeftOut > 0)
            said.Add(
                $"{Figure.Count(shelf.LeftOut, "picture")} left out to keep the page small and quick; the most "
                    + "instructive are here."
            );
        if (shelf.Unreadable > 0)
            said.Add($"{Figure.Count(shelf.Unreadable, "image")} could not be read any more.");
        return Html.Of($"{string.Join(' ', said)}");
    }
}

/// <summary>A page that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Thumbnails">Pictures in it.</param>
/// <param name="LeftOut">Pictures that it has no room or no time for, or that could not be read.</param>
public sealed record HtmlReportSummary(string Path, long Bytes, int Thumbnails, int LeftOut);
