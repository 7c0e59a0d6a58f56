using System.Globalization;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Charts;

/// <summary>
/// A small chart as SVG: it takes its colours from the page, so that it follows light, dark and print, and says in
/// words what it shows. 340 units wide, so that its letters are as large as the page's on a phone.
/// </summary>
/// <param name="id">Id of its title.</param>
/// <param name="title">What it is.</param>
/// <param name="description">What it shows, in a sentence.</param>
/// <param name="height">Height in units.</param>
internal sealed class Plot(string id, string title, string description, int height)
{
    public const int Width = 340;

    private readonly List<Html> marks = [];

    public Plot Rect(double x, double y, double width, double depth, string style)
    {
        marks.Add(
            Html.Of(
                $"<rect class=\"{style}\" x=\"{x:0.#}\" y=\"{y:0.#}\" width=\"{width:0.#}\" height=\"{depth:0.#}\"/>"
            )
        );
        return this;
    }

    public Plot Line(double x1, double y1, double x2, double y2, string style)
    {
        marks.Add(
            Html.Of($"<line class=\"{style}\" x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\"/>")
        );
        return this;
    }

    public Plot Dot(double x, double y, double radius = 4)
    {
        marks.Add(Html.Of($"<circle class=\"dot\" cx=\"{x:0.#}\" cy=\"{y:0.#}\" r=\"{radius:0.#}\"/>"));
        return this;
    }

    public Plot Path(IEnumerable<(double X, double Y)> points, string style)
    {
        string path = string.Join(
            ' ',
            points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.X:0.#},{p.Y:0.#}"))
        );
        marks.Add(Html.Of($"<polyline class=\"{style}\" points=\"{path}\"/>"));
        return this;
    }

    public Plot Text(double x, double y, string text, string anchor = "start", string style = "")
    {
        marks.Add(
            Html.Of($"<text class=\"{style}\" x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\">{text}</text>")
        );
        return this;
    }

    public Html ToHtml() =>
        Html.Of(
            $"""
            <svg viewBox="0 0 {Width} {height}" role="img" aria-labelledby="{id} {id}-d"><title
            id="{id}">{title}</title><desc id="{id}-d">{description}</desc>{marks}</svg>

            """
        );
}
