using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Reports.Page;
using MlNetTransfer.Reports.Sections;

namespace MlNetTransfer.Reports;

/// <summary>Several runs on one page: each with its interval, and in pairs on the images that both judged.</summary>
public static class ComparisonReport
{
    private const int MostPairs = 45;
    private const int MostImages = 24;

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="runs">The runs, at least two.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is made; null for the defaults.</param>
    /// <param name="cancellation">Ends the work; no file is touched.</param>
    /// <exception cref="ArgumentException">There are fewer than two runs.</exception>
    /// <exception cref="GraphException">The file cannot be written.</exception>
    public static HtmlReportSummary Write(
        IReadOnlyList<FinishedRun> runs,
        string path,
        HtmlReportOptions? options = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (runs.Count < 2)
            throw new ArgumentException($"{runs.Count} runs cannot be compared; give at least 2.", nameof(runs));
        options ??= new HtmlReportOptions();
        PairOfRuns[] pairs = [.. Pairs(runs).Take(MostPairs)];
        ThumbnailShelf shelf = ThumbnailShelf.Of(
            pairs
                .SelectMany(p => p.Gained.Take(MostImages).Concat(p.Lost.Take(MostImages)))
                .Where(j => j.Image.Location is not (null or TextLocation))
                .Select(j => new DataItem(j.Image.Location!, j.Image.File)),
            options,
            options.Limits ?? new ImageLimits(),
            cancellation
        );
        byte[] bytes = Encoding.UTF8.GetBytes(Page(runs, pairs, shelf));
        AtomicFile.Write(path, stream => stream.Write(bytes));
        return new HtmlReportSummary(path, bytes.Length, shelf.Count, shelf.LeftOut + shelf.Unreadable);
    }

    private static IEnumerable<PairOfRuns> Pairs(IReadOnlyList<FinishedRun> runs) =>
        Enumerable
            .Range(0, runs.Count)
            .SelectMany(a => Enumerable.Range(a + 1, runs.Count - a - 1).Select(b => PairOfRuns.Of(runs[a], runs[b])));

    private static string Page(IReadOnlyList<FinishedRun> runs, PairOfRuns[] pairs, ThumbnailShelf shelf)
    {
        FinishedRun best = runs.MaxBy(r => r.Document.Accuracy)!;
        Html chart = RunCharts.Intervals(
            "runs-chart",
            "Accuracy of each run with its 95 % interval",
            [
                .. runs.Select(r =>
                    (r.Folder, r.Document.Accuracy, r.Document.AccuracyInterval[0], r.Document.AccuracyInterval[1])
                ),
            ]
        );
        Html table = PageFrame.Table(
            "Runs",
            ["run", "accuracy", "95 % interval", "images judged", "classes", "log-loss", "network", "head", "strategy"],
            runs.Select(r =>
                PageFrame.Row(
                    r.Folder,
                    Figure.Percent1(r.Document.Accuracy),
                    Figure.Range1(r.Document.AccuracyInterval[0], r.Document.AccuracyInterval[1]),
                    $"{r.Images.Count}",
                    $"{r.Classes.Count}",
                    Figure.Three(r.Document.LogLoss),
                    r.Document.Backbone,
                    r.Document.Head,
                    r.Document.Strategy
                )
            )
        );
        (string, string, Html)[] sections =
        [
            (
                "verdict",
                "Verdict",
                Html.Of($"<p class=\"verdict\">{Verdict(runs, pairs, best)}</p><figure>{chart}</figure>{table}")
            ),
            (
                "pairs",
                "Run against run",
                Html.Of(
                    $"<p>Only images that both runs judged count, each by a model that was not trained on it: "
                        + $"where both are right, or both wrong, they say nothing.</p>"
                        + $"{Html.Join(pairs.Select(p => Pair(p, shelf)))}"
                )
            ),
        ];
        return PageFrame.Of(
            $"{runs.Count} runs compared",
            [.. sections.Select(s => (s.Item1, s.Item2)), ("glossary", "Words")],
            Html.Of(
                $"<h1>{runs.Count} runs compared</h1><p><button id=\"theme\" class=\"needs-script small\" "
                    + $"type=\"button\">Light or dark</button></p>"
            ),
            Html.Of($"{Html.Join(sections.Select(s => PageFrame.Section(s.Item1, s.Item2, s.Item3)))}{Glossary.Of()}")
        );
    }

    private static string Verdict(IReadOnlyList<FinishedRun> runs, PairOfRuns[] pairs, FinishedRun best)
    {
        PairOfRuns[] ofBest = [.. pairs.Where(p => p.First == best || p.Second == best)];
        int beaten = ofBest.Count(p => p.Says(best));
        bool areAlike = pairs.All(p =>
            p.Difference.Rows == p.First.Images.Count && p.Difference.Rows == p.Second.Images.Count
        );
        string most = areAlike
            ? $"{best.Folder} has the highest accuracy, {Figure.Percent1(best.Document.Accuracy)}. "
            : "The runs judged different images, so their accuracies are not of the same thing: what counts are the "
                + "images that two of them share, below. ";
        if (!areAlike)
        {
            string[] said =
            [
                .. runs.SelectMany(better =>
                    pairs
                        .Where(p => (p.First == better || p.Second == better) && p.Says(better))
                        .Select(p =>
                            $"{better.Folder} is better than {(p.First == better ? p.Second : p.First).Folder}"
                        )
                ),
            ];
            return most + (said.Length == 0 ? "They do not tell any run from another." : $"{string.Join("; ", said)}.");
        }

        return beaten == runs.Count - 1 ? most + "On the images that they share it is better than every other run."
            : beaten == 0 ? most + "There are too few images, or the runs are too alike, to tell it from any other."
            : most
                + $"On the images that they share it is shown to be better than {beaten} of the "
                + $"{runs.Count - 1} others.";
    }

    private static Html Pair(PairOfRuns pair, ThumbnailShelf shelf)
    {
        PairedDifference difference = pair.Difference;
        Interval interval = difference.Interval();
        Html second = Images($"Only {pair.Second.Folder} is right", pair.Second, pair.Gained, shelf),
            first = Images($"Only {pair.First.Folder} is right", pair.Second, pair.Lost, shelf);
        string numbers =
            difference.Rows == 0
                ? "They share no image."
                : $"On {Figure.Count(difference.Rows, "shared image")}: {pair.First.Folder} "
                    + $"{Figure.Percent1(pair.FirstAccuracy)}, "
                    + $"{pair.Second.Folder} {Figure.Percent1(pair.SecondAccuracy)}; the second less the first is "
                    + $"{Figure.Points(difference.Value)} points (95 % interval {Figure.Points(interval.Low)} to "
                    + $"{Figure.Points(interval.High)}). {difference.Gained} only the second has right, "
                    + $"{difference.Lost} only "
                    + "the first.";
        string said =
            difference.Rows == 0 ? ""
            : pair.Says(pair.Second) ? $"{pair.Second.Folder} is better."
            : pair.Says(pair.First) ? $"{pair.First.Folder} is better."
            : "Too few images to tell which is better.";
        return Html.Of(
            $"<h3>{pair.First.Folder} and {pair.Second.Folder}</h3>"
                + $"<p><strong>{said}</strong> {numbers}</p>{second}{first}"
        );
    }

    private static Html Images(string title, FinishedRun run, IReadOnlyList<Judged> images, ThumbnailShelf shelf)
    {
        if (images.Count == 0)
            return Html.Empty;
        var pictures = new Pictures(run, shelf, new Dictionary<string, string>());
        string more = images.Count > MostImages ? $" ({MostImages} are shown)" : "";
        return Html.Of(
            $"<details><summary>{title}: {Figure.Count(images.Count, "image")}{more}</summary>"
                + $"{pictures.List(images.Take(MostImages), withOverlays: false)}</details>"
        );
    }
}

/// <summary>
/// Two runs on the images that both judged: those in the same place, or of the same name where that is a copy or not
/// known, and of the same class.
/// </summary>
internal sealed class PairOfRuns
{
    private PairOfRuns(FinishedRun first, FinishedRun second, (Judged First, Judged Second)[] shared)
    {
        (First, Second) = (first, second);
        bool[] a = [.. shared.Select(p => p.First.IsRight)],
            b = [.. shared.Select(p => p.Second.IsRight)];
        Difference = PairedDifference.Of(a, b);
        FirstAccuracy = a.Length == 0 ? 0 : a.Average(right => right ? 1.0 : 0);
        SecondAccuracy = b.Length == 0 ? 0 : b.Average(right => right ? 1.0 : 0);
        Gained = [.. shared.Where(p => p.Second.IsRight && !p.First.IsRight).Select(p => p.Second)];
        Lost = [.. shared.Where(p => p.First.IsRight && !p.Second.IsRight).Select(p => p.Second)];
    }

    public FinishedRun First { get; }

    public FinishedRun Second { get; }

    public PairedDifference Difference { get; }

    public double FirstAccuracy { get; }

    public double SecondAccuracy { get; }

    /// <summary>What only the second has right, as the second judged it.</summary>
    public IReadOnlyList<Judged> Gained { get; }

    /// <summary>What only the first has right, as the second judged it.</summary>
    public IReadOnlyList<Judged> Lost { get; }

    /// <summary>Whether the images say that one of them is better.</summary>
    public bool Says(FinishedRun better)
    {
        Interval interval = Difference.Interval();
        return better == Second ? interval.Low > 0 : interval.High < 0;
    }

    public static PairOfRuns Of(FinishedRun first, FinishedRun second)
    {
        var byName = new Dictionary<(string, string), Judged>();
        var byPlace = new Dictionary<(string, string), Judged>();
        foreach (Judged judged in Judged.Of(first))
        {
            byName.TryAdd((judged.Image.File, judged.Image.Truth), judged);
            if (PlaceOf(judged) is { } place)
                byPlace.TryAdd((place, judged.Image.Truth), judged);
        }

        return new PairOfRuns(
            first,
            second,
            [
                .. Judged
                    .Of(second)
                    .Select(j => (First: Same(j), j))
                    .Where(p => p.First is not null)
                    .Select(p => (p.First!, p.j)),
            ]
        );

        Judged? Same(Judged judged)
        {
            string? place = PlaceOf(judged);
            if (place is not null && byPlace.TryGetValue((place, judged.Image.Truth), out Judged? there))
                return there;
            return
                byName.GetValueOrDefault((judged.Image.File, judged.Image.Truth)) is { } named
                && (place is null || PlaceOf(named) is not { } other || AreAlike(place, other))
                ? named
                : null;
        }
    }

    /// <summary>Where an image lies; a list may name what a folder held.</summary>
    private static string? PlaceOf(Judged judged) =>
        judged.Image.Location is FileLocation file ? Path.GetFullPath(file.Path) : null;

    /// <summary>Whether two files that lie apart are one image all the same: a copy.</summary>
    private static bool AreAlike(string one, string other)
    {
        try
        {
            using FileStream first = File.OpenRead(one),
                second = File.OpenRead(other);
            if (first.Length != second.Length)
                return false;
            Span<byte> a = stackalloc byte[4096],
                b = stackalloc byte[4096];
            // Images that differ do so at once, in their size or in what is stored of them.
            for (int read; (read = first.ReadAtLeast(a, a.Length, throwOnEndOfStream: false)) > 0; )
                if (
                    second.ReadAtLeast(b[..read], read, throwOnEndOfStream: false) < read
                    || !a[..read].SequenceEqual(b[..read])
                )
                    return false;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
