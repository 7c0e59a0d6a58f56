using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Charts;

/// <summary>The charts of a run.</summary>
internal static class RunCharts
{
    private const double Left = 34,
        Right = Plot.Width - 10,
        Top = 14;

    /// <summary>Accuracies with their intervals on one line each, and marks to compare with.</summary>
    /// <param name="id">Id of the chart.</param>
    /// <param name="title">What it is.</param>
    /// <param name="rows">Name, accuracy and interval of each line.</param>
    /// <param name="marks">Names and places of what they are compared with.</param>
    public static Html Intervals(
        string id,
        string title,
        IReadOnlyList<(string Name, double Value, double Low, double High)> rows,
        params IReadOnlyList<(string Name, double At)> marks
    )
    {
        const int step = 40;
        int bottom = 8 + (step * rows.Count);
        string words = string.Join(
            "; ",
            rows.Select(r => $"{r.Name}: {Figure.Percent1(r.Value)} (95 % interval {Figure.Range1(r.Low, r.High)})")
                .Concat(marks.Select(m => $"{m.Name}: {Figure.Percent1(m.At)}"))
        );
        var plot = new Plot(id, title, words, bottom + 22 + (16 * marks.Count));
        for (int tenth = 0; tenth <= 10; tenth += 2)
        {
            plot.Line(X(tenth / 10.0), 22, X(tenth / 10.0), bottom, "axis");
            plot.Text(X(tenth / 10.0), bottom + 15, $"{10 * tenth} %", "middle", "soft");
        }

        for (int i = 0; i < rows.Count; i++)
        {
            (string name, double value, double low, double high) = rows[i];
            double y = (step * i) + 30;
            plot.Text(4, y - 12, Figure.Short(name, 46));
            plot.Rect(X(low), y - 6, Math.Max(1, X(high) - X(low)), 12, "band");
            plot.Dot(X(value), y, 5);
        }

        for (int i = 0; i < marks.Count; i++)
        {
            double top = bottom + 26 + (16 * i);
            for (int row = 0; row < rows.Count; row++)
                plot.Line(X(marks[i].At), (step * row) + 22, X(marks[i].At), (step * row) + 38, $"mark{i + 1}");
            plot.Line(8, top - 4, 8, top + 8, $"mark{i + 1}");
            plot.Text(16, top + 6, $"{marks[i].Name}: {Figure.Percent(marks[i].At)}", style: "soft");
        }

        return plot.ToHtml();

        static double X(double share) => 14 + ((Plot.Width - 36) * share);
    }

    /// <summary>
    /// How often the model is right where it is so sure; how many images stand behind each bin, below.
    /// </summary>
    public static Html Reliability(IReadOnlyList<ReliabilityBin> bins)
    {
        const double side = 220,
            counts = 46;
        double bottom = Top + side,
            width = (Right - Left) / bins.Count;
        int most = Math.Max(1, bins.Max(b => b.Images));
        string words = string.Join(
            "; ",
            bins.Where(b => b.Images > 0)
                .Select(b => $"{Figure.Range(b.Low, b.High)} sure: {Figure.Percent(b.Accuracy)} right of {b.Images}")
        );
        var plot = new Plot("reliability-chart", "How often the model is right, by how sure it is", words, 346);
        Frame(plot, bottom);
        for (int i = 0; i < bins.Count; i++)
        {
            ReliabilityBin bin = bins[i];
            double x = Left + (i * width);
            if (bin.Images > 0)
            {
                plot.Rect(x + 2, Y(bin.Accuracy), width - 4, bottom - Y(bin.Accuracy), "bar");
                plot.Line(x + 2, Y(bin.Confidence), x + width - 2, Y(bin.Confidence), "gap");
            }

            double depth = counts * bin.Images / most;
            plot.Rect(x + 2, bottom + 34 + counts - depth, width - 4, depth, "band");
            plot.Text(x + (width / 2), bottom + 34 + counts + 14, $"{bin.Images}", "middle", "soft");
        }

        plot.Line(Left, bottom, Right, Top, "ideal");
        for (int tenth = 0; tenth <= 10; tenth += 2)
            plot.Text(Left + ((Right - Left) * tenth / 10), bottom + 15, $"{10 * tenth} %", "middle", "soft");
        plot.Text(Left, bottom + 30, "how sure (top) · images in each bin (bottom)", style: "soft");
        return plot.ToHtml();

        double Y(double share) => bottom - (side * share);

        void Frame(Plot target, double floor)
        {
            for (int tenth = 0; tenth <= 10; tenth += 2)
            {
                target.Line(Left, Y(tenth / 10.0), Right, Y(tenth / 10.0), "axis");
                target.Text(Left - 4, Y(tenth / 10.0) + 4, $"{10 * tenth}", "end", "soft");
            }

            target.Line(Left, floor, Right, floor, "tick");
        }
    }

    /// <summary>Two curves over epochs, those of folds faint behind that of the written model.</summary>
    /// <param name="id">Id of the chart.</param>
    /// <param name="title">What it is.</param>
    /// <param name="first">The first curve: its name and its points by training, the written model's first.</param>
    /// <param name="second">The second curve; null where there is one only.</param>
    /// <param name="share">Whether the axis is a share, from 0 to 100 %.</param>
    public static Html Curves(string id, string title, Curve first, Curve? second, bool share)
    {
        const double side = 170;
        double bottom = Top + side;
        Curve[] curves = second is null ? [first] : [first, second];
        (double Epoch, double Value)[] all = [.. curves.SelectMany(c => c.Runs).SelectMany(r => r)];
        double most = share ? 1 : Nice(all.Max(p => p.Value)),
            last = Math.Max(1, all.Max(p => p.Epoch));
        string words = string.Join(
            "; ",
            curves
                .Where(c => c.Runs.Count > 0 && c.Runs[0].Count > 0)
                .Select(c =>
                    $"{c.Name}: from {Say(c.Runs[0][0].Value)} to {Say(c.Runs[0][^1].Value)} in epoch "
                    + $"{c.Runs[0][^1].Epoch:0}"
                )
        );
        var plot = new Plot(id, title, words, (int)bottom + 56);
        for (int i = 0; i <= 4; i++)
        {
            double y = bottom - (side * i / 4);
            plot.Line(Left, y, Right, y, "axis");
            plot.Text(
                Left - 4,
                y + 4,
                share
                    ? $"{25 * i}"
                    : (most * i / 4).ToString("0.##", System.Globalization.CultureInfo.InvariantCulture),
                "end",
                "soft"
            );
        }

        for (int c = 0; c < curves.Length; c++)
        {
            for (int r = curves[c].Runs.Count - 1; r >= 0; r--)
                plot.Path(
                    curves[c].Runs[r].Select(p => (X(p.Epoch), bottom - (side * Math.Min(p.Value, most) / most))),
                    $"line{c + 1}{(r > 0 ? " faint" : "")}"
                );
            double x = Left + (150 * c);
            plot.Line(x, bottom + 40, x + 26, bottom + 40, $"line{c + 1}");
            plot.Text(x + 32, bottom + 44, curves[c].Name);
        }

        plot.Text(Left, bottom + 18, "0", "middle", "soft");
        plot.Text(Right, bottom + 18, $"epoch {last:0}", "end", "soft");
        return plot.ToHtml();

        double X(double epoch) => Left + ((Right - Left) * epoch / last);

        string Say(double value) => share ? Figure.Percent(value) : Figure.Three(value);
    }

    /// <summary>The shortest of 1, 2, 5 times a power of ten that is not below.</summary>
    private static double Nice(double value)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(value, 1e-6))));
        return power
            * (
                value <= power ? 1
                : value <= 2 * power ? 2
                : value <= 5 * power ? 5
                : 10
            );
    }
}

/// <summary>A curve over epochs.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Runs">Its points in each training, the written model's first.</param>
internal sealed record Curve(string Name, IReadOnlyList<IReadOnlyList<(double Epoch, double Value)>> Runs);

/// <summary>Images of which the model is about as sure.</summary>
/// <param name="Low">Lower end of the highest probability, not included.</param>
/// <param name="High">Upper end, included.</param>
/// <param name="Images">How many there are.</param>
/// <param name="Accuracy">Share of them that is right.</param>
/// <param name="Confidence">Mean of the highest probability.</param>
internal sealed record ReliabilityBin(double Low, double High, int Images, double Accuracy, double Confidence)
{
    public const int Bins = 10;

    /// <summary>
    /// Divides images by how sure the model is: ten bins of equal width, each open below and closed above.
    /// </summary>
    public static IReadOnlyList<ReliabilityBin> Of(IEnumerable<(double Confidence, bool Right)> images)
    {
        ILookup<int, (double Confidence, bool Right)> byBin = images.ToLookup(i =>
            Math.Clamp((int)Math.Ceiling(i.Confidence * Bins) - 1, 0, Bins - 1)
        );
        return
        [
            .. Enumerable
                .Range(0, Bins)
                .Select(b => new ReliabilityBin(
                    (double)b / Bins,
                    (double)(b + 1) / Bins,
                    byBin[b].Count(),
                    byBin[b].Any() ? byBin[b].Average(i => i.Right ? 1.0 : 0) : 0,
                    byBin[b].Any() ? byBin[b].Average(i => i.Confidence) : 0
                )),
        ];
    }
}
