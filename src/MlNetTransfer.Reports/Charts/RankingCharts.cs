using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Charts;

/// <summary>Curves of shares against shares, with their names below.</summary>
internal static class RankingCharts
{
    private const double Left = 34,
        Right = Plot.Width - 10,
        Top = 24,
        Side = 220,
        Bottom = Top + Side;

    /// <summary>Units that a line has to move before it is worth another point.</summary>
    private const double Apart = 0.5;

    private const int LongestName = 22,
        LongestSpoken = 80;

    /// <summary>What is found against what is wrongly taken.</summary>
    public static Html Roc(RankingCurves curves) =>
        Chart(
            "roc-chart",
            "Found against wrongly taken (ROC curves)",
            ("found (%)", "of the others, wrongly taken (%)"),
            Lines(curves, c => c.Roc, c => c.RocAuc, curves.MeanRoc, curves.MeanRocAuc),
            found => $"takes {Figure.Percent(At(found.Points, 0.5, byY: true))} of the others to find half of its own",
            guessing: true
        );

    /// <summary>How much of what is taken is right, against how much is found.</summary>
    public static Html PrecisionRecall(RankingCurves curves) =>
        Chart(
            "precision-chart",
            "Right when said against found (precision-recall curves)",
            ("right when said (%)", "of its own, found (%)"),
            Lines(
                curves,
                c => [.. c.PrecisionSteps()],
                c => c.AveragePrecision,
                curves.MeanPrecision,
                curves.MeanAveragePrecision
            ),
            found => $"is right in {Figure.Percent(At(found.Points, 0.9, byY: false))} where 90 % are found",
            guessing: false
        );

    private static Line[] Lines(
        RankingCurves curves,
        Func<RankingCurve, IReadOnlyList<(double X, double Y)>> points,
        Func<RankingCurve, double> area,
        IReadOnlyList<(double X, double Y)> mean,
        double meanArea
    )
    {
        Line[] own = [.. curves.Weakest.Select((c, i) => new Line(c.Name, area(c), points(c), $"line{i + 1}"))];
        return curves.Measured == 1
            ? own
            : [.. own, new Line($"mean of {curves.Measured} classes", meanArea, mean, "mean")];
    }

    private static Html Chart(
        string id,
        string title,
        (string Up, string Across) axes,
        Line[] lines,
        Func<Line, string> say,
        bool guessing
    )
    {
        string words = string.Join(
            "; ",
            lines.Select(line =>
                $"{Figure.Short(line.Name, LongestSpoken)}: area {Figure.Three(line.Area)}, {say(line)}"
            )
        );
        var plot = new Plot(id, title, words, (int)Bottom + 42 + (18 * lines.Length));
        for (int fifth = 0; fifth <= 5; fifth++)
        {
            double share = fifth / 5.0;
            plot.Line(Left, Y(share), Right, Y(share), "axis");
            plot.Text(Left - 4, Y(share) + 4, $"{20 * fifth}", "end", "soft");
            plot.Text(X(share), Bottom + 15, $"{20 * fifth}", "middle", "soft");
        }

        plot.Line(Left, Bottom, Right, Bottom, "tick");
        plot.Text((Left + Right) / 2, Bottom + 31, axes.Across, "middle", "soft");
        plot.Text(Left, 10, axes.Up, style: "soft");
        if (guessing)
            plot.Line(Left, Bottom, Right, Top, "ideal");
        for (int i = 0; i < lines.Length; i++)
        {
            double y = Bottom + 48 + (18 * i);
            plot.Path(Drawn(lines[i].Points), lines[i].Style);
            plot.Line(Left, y - 4, Left + 26, y - 4, lines[i].Style);
            plot.Text(Left + 32, y, $"{Figure.Short(lines[i].Name, LongestName)} {Figure.Three(lines[i].Area)}");
        }

        return plot.ToHtml();
    }

    private static double X(double share) => Left + ((Right - Left) * share);

    private static double Y(double share) => Bottom - (Side * share);

    /// <summary>The points in units, without those that are hardly apart from the one before.</summary>
    private static List<(double X, double Y)> Drawn(IReadOnlyList<(double X, double Y)> points)
    {
        List<(double X, double Y)> drawn = [];
        for (int i = 0; i < points.Count; i++)
        {
            (double x, double y) = (X(points[i].X), Y(points[i].Y));
            bool moved = drawn.Count == 0 || Math.Abs(x - drawn[^1].X) + Math.Abs(y - drawn[^1].Y) >= Apart;
            if (moved || i == points.Count - 1)
                drawn.Add((x, y));
        }

        return drawn;
    }

    /// <summary>Where a curve first reaches a share: the other coordinate of that point.</summary>
    private static double At(IReadOnlyList<(double X, double Y)> points, double share, bool byY)
    {
        foreach ((double x, double y) in points)
            if ((byY ? y : x) >= share)
                return byY ? x : y;
        return byY ? points[^1].X : points[^1].Y;
    }

    /// <param name="Name">What it is of.</param>
    /// <param name="Area">The area that stands beside its name.</param>
    /// <param name="Points">Its points, as shares.</param>
    /// <param name="Style">How it is drawn.</param>
    private sealed record Line(string Name, double Area, IReadOnlyList<(double X, double Y)> Points, string Style);
}
