using MlNetTransfer.Datasets;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>
/// Images as the page shows them: small, with what they are, what they were taken for and their names.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="shelf">The pictures there are.</param>
/// <param name="overlays">Where the model looked, by file; empty where that was not found out.</param>
internal sealed class Pictures(FinishedRun run, ThumbnailShelf shelf, IReadOnlyDictionary<string, string> overlays)
{
    private const int LongestAlt = 80;

    /// <summary>A list of images.</summary>
    public Html List(IEnumerable<Judged> images, bool withOverlays) =>
        Html.Of(
            $"<ul class=\"shots{(withOverlays && overlays.Count > 0 ? " wide" : "")}\">"
                + $"{images.Select(j => Shot(j, withOverlays))}</ul>"
        );

    private Html Shot(Judged j, bool withOverlay)
    {
        string truth = run.Classes[j.Truth],
            said = run.Classes[j.Predicted];
        Html overlay =
            withOverlay && overlays.TryGetValue(j.Image.File, out string? uri)
                ? Html.Of(
                    $"<img src=\"{uri}\" width=\"96\" height=\"96\" alt=\"The same with the places that speak "
                        + $"for {Short(said)}\">"
                )
                : Html.Empty;
        Html labels = j.IsRight
            ? Html.Of($"<b>{Short(said)}</b> <span class=\"soft\">{Figure.Percent(j.Probability)}</span>")
            : Html.Of(
                $"<b>is {Short(truth)}</b><span>taken for <strong>{Short(said)}</strong> at "
                    + $"{Figure.Percent(j.Probability)}; {Short(truth)} at {Figure.Percent(j.OfTruth)}</span>"
            );
        return Html.Of(
            $"<li class=\"shot\">{Picture(j, truth)}{overlay}<div>{labels}<span class=\"file\" "
                + $"tabindex=\"0\">{j.Image.File}</span></div></li>\n"
        );
    }

    private Html Picture(Judged j, string truth) => Picture(j.Image.File, truth, j.Image.Location is TextLocation);

    /// <summary>The picture of an image, or what stands in its place.</summary>
    public Html Picture(string file, string? truth, bool isText = false)
    {
        if (shelf.Of(file) is { } uri)
            return Html.Of(
                $"<img src=\"{uri}\" width=\"96\" height=\"96\" decoding=\"async\" alt=\"{Short(truth ?? "")}: "
                    + $"{Short(file)}\">"
            );
        string why = isText ? "text" : "no picture";
        return Html.Of($"<span class=\"none\">{why}</span>");
    }

    /// <summary>A name, or as much of it as one reads.</summary>
    public static string Short(string text) => Figure.Short(text, LongestAlt);
}
