using System.Globalization;
using System.Text;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Reports;

/// <summary>The picture of a learning-rate range test: loss along the logarithm of the rate, as one SVG file.</summary>
public static class LearningRateChart
{
    private const int Width = 720,
        Height = 400,
        Left = 60,
        Right = 20,
        Top = 50,
        Bottom = 50;

    /// <summary>Draws it into a file, whole or not at all.</summary>
    /// <param name="path">The file, an .svg.</param>
    /// <param name="found">The test; at least two points.</param>
    public static void Write(string path, LearningRateSummary found)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(ToSvg(found));
        AtomicFile.Write(path, stream => stream.Write(bytes));
    }

    /// <summary>Draws it.</summary>
    /// <param name="found">The test; at least two points.</param>
    /// <returns>An SVG document that stands alone and follows light and dark.</returns>
    public static string ToSvg(LearningRateSummary found)
    {
        ArgumentNullException.ThrowIfNull(found);
        IReadOnlyList<RatePoint> points = found.Points;
        double low = Math.Log10(points[0].Rate),
            high = Math.Max(Math.Log10(points[^1].Rate), low + 0.1),
            least = points.Min(point => point.Smoothed),
            // What diverges at the end would press all else flat.
            most = Math.Max(least + 1e-3, Math.Min(points.Max(point => point.Smoothed), 0.05 - least));
        var svg = new StringBuilder();
        string title = found.Suggested is { } rate
            ? string.Create(CultureInfo.InvariantCulture, $"Loss falls fastest at a learning rate of {rate:g2}")
            : "Loss falls at no learning rate that was tried";
        Add(
            $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" aria-labelledby="t d">
            <title id="t">{title}</title>
            <desc id="d">Change of the training loss (nats) against the start, by learning rate, from {points[
                0
            ].Rate:g2} to
            {points[^1].Rate:g2}.</desc>
            <style>
            svg {"{"} background: #fff; font: 14px system-ui, sans-serif; {"}"} text {"{"} fill: #222; {"}"}
            .grid {"{"} stroke: #ccc; {"}"} .loss {"{"} fill: none; stroke: #1f5fbf; stroke-width: 2.5; {"}"}
            .each {"{"} fill: #8aa; {"}"} .mark {"{"} stroke: #b4460f; stroke-width: 2; stroke-dasharray: 6 4; {"}"}
            @media (prefers-color-scheme: dark) {"{"} svg {"{"} background: #161616; {"}"} text {"{"} fill: #eee; {"}"}
            .grid {"{"} stroke: #444; {"}"} .loss {"{"} stroke: #7fb2ff; {"}"} .mark {"{"} stroke: #ff9a5c; {"}"} {"}"}
            </style>
            <text x="{Left}" y="28" font-size="17">{title}</text>

            """
        );
        for (int power = (int)Math.Ceiling(low - 1e-9); power <= Math.Floor(high + 1e-9); power++)
        {
            double x = X(power);
            Add($"<line class=\"grid\" x1=\"{x:0.#}\" x2=\"{x:0.#}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>\n");
            Add($"<text x=\"{x:0.#}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\">1e{power}</text>\n");
        }

        for (int line = 0; line <= 4; line++)
        {
            double loss = least + (most - least) * line / 4;
            double y = Y(loss);
            Add($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:0.#}\" y2=\"{y:0.#}\"/>\n");
            Add($"<text x=\"{Left - 8}\" y=\"{y + 5:0.#}\" text-anchor=\"end\">{loss:0.000}</text>\n");
        }

        int middle = (Left + Width - Right) / 2;
        Add(
            $"<text x=\"{middle}\" y=\"{Height - 8}\" text-anchor=\"middle\">learning rate; up: change of loss</text>\n"
        );
        foreach (RatePoint point in points.Where(point => point.Change >= least && point.Change <= most))
        {
            double x = X(Math.Log10(point.Rate));
            Add($"<circle class=\"each\" cx=\"{x:0.#}\" cy=\"{Y(point.Change):0.#}\" r=\"2\"/>\n");
        }

        Add($"<polyline class=\"loss\" points=\"");
        foreach (RatePoint point in points)
            Add($"{X(Math.Log10(point.Rate)):0.#},{Y(Math.Min(point.Smoothed, most)):0.#} ");
        Add($"\"/>\n");
        if (found.Suggested is { } suggested)
        {
            double x = X(Math.Log10(suggested));
            Add($"<line class=\"mark\" x1=\"{x:0.#}\" x2=\"{x:0.#}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/>\n");
            Add($"<text x=\"{x + 6:0.#}\" y=\"{Top + 14}\">{suggested:g2}</text>\n");
        }

        Add($"</svg>\n");
        return svg.ToString();

        void Add(FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture));
        double X(double power) => Left + (Width - Left - Right) * (power - low) / (high - low);
        double Y(double loss) => Height - Bottom - (Height - Top - Bottom) * (loss - least) / (most - least);
    }
}
