using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Checks;

/// <summary>Finds images that are there twice: byte for byte, pixel for pixel, or nearly.</summary>
/// <remarks>
/// Near are two images whose perceptual hashes differ in at most <see cref="MostBits"/> of 64 bits, whose small grey
/// forms differ by at most <see cref="MostDifference"/> shades on average and whose features have a cosine of at least
/// <see cref="LeastCosine"/>; see decision 020 for the measurements. Every pair of hashes is compared, a nanosecond
/// each, and nothing is kept of those that differ: time grows with the square of the images (some seconds for 100,000),
/// memory does not. Of two images the earlier stays: those held out before those to train, then by name.
/// </remarks>
internal sealed class Duplicates
{
    /// <summary>Bits of 64 in which near images may differ.</summary>
    public const int MostBits = 10;

    /// <summary>Shades of 255 by which near images may differ on average.</summary>
    public const double MostDifference = 8;

    /// <summary>The least cosine of near images.</summary>
    public const double LeastCosine = 0.7;

    /// <summary>The least cosine of near images where their pixels are not looked at.</summary>
    public const double LeastCosineAlone = 0.9;

    /// <summary>
    /// Bits of 64 in which the sides of such images may differ: nine are expected at that cosine, and 18 are three
    /// standard deviations more.
    /// </summary>
    private const int MostSides = 18;

    private readonly CheckedImages images;
    private readonly int[] order;
    private readonly int[] first;
    private readonly List<Match> matches = [];

    private Duplicates(CheckedImages images)
    {
        this.images = images;
        order =
        [
            .. Enumerable
                .Range(0, images.Count)
                .OrderByDescending(row => images.Part(row))
                .ThenBy(images.Name, StringComparer.Ordinal),
        ];
        first = [.. Enumerable.Range(0, images.Count)];
    }

    /// <summary>Every image with one that stays.</summary>
    public IReadOnlyList<Match> Matches => matches;

    /// <summary>Equal for images that are linked by matches, directly or through others [rows].</summary>
    public int[] Together
    {
        get
        {
            int[] root = [.. first];
            foreach (Match match in matches)
                root[Root(match.Row)] = Root(match.Other);
            return [.. Enumerable.Range(0, root.Length).Select(Root)];

            int Root(int row)
            {
                while (root[row] != row)
                    row = root[row] = root[root[row]];
                return row;
            }
        }
    }

    /// <summary>Finds them.</summary>
    /// <param name="images">The images.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="parallel">Threads and cancellation; the result does not depend on the threads.</param>
    /// <param name="progress">Told how far it is.</param>
    public static Duplicates Find(
        CheckedImages images,
        ImageLimits limits,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress
    )
    {
        var found = new Duplicates(images);
        found.FindSame(limits, parallel.CancellationToken);
        int[] rows = [.. found.order.Where(row => found.first[row] == row && images.Facts[row]?.Hash is not null)];
        ulong[] hashes = [.. rows.Select(row => images.Facts[row]!.Hash!.Value)];
        found.FindNear(rows, hashes, MostBits, LeastCosine, parallel, progress);
        return found.Sorted();
    }

    /// <summary>
    /// Finds them without a look at their pixels: the same byte for byte, or of features whose cosine is at least
    /// <see cref="LeastCosineAlone"/>.
    /// </summary>
    /// <param name="images">The images, without facts.</param>
    /// <param name="near">Whether features say that images are near.</param>
    /// <param name="parallel">Threads and cancellation; the result does not depend on the threads.</param>
    public static Duplicates ByFeatures(CheckedImages images, bool near, ParallelOptions parallel)
    {
        var found = new Duplicates(images);
        found.FindSame(new ImageLimits(), parallel.CancellationToken);
        if (!near)
            return found.Sorted();
        ulong[] sides = images.Points.Sides(parallel);
        int[] rows = [.. found.order.Where(row => found.first[row] == row && images.Points.IsSomewhere(row))];
        found.FindNear(rows, [.. rows.Select(row => sides[row])], MostSides, LeastCosineAlone, parallel, null);
        return found.Sorted();
    }

    private Duplicates Sorted()
    {
        matches.Sort((a, b) => (images.Name(a.Row), a.Other).CompareTo((images.Name(b.Row), b.Other)));
        return this;
    }

    /// <summary>Images of the same bytes, or the same size and pixels, are the same as the first of them.</summary>
    private void FindSame(ImageLimits limits, CancellationToken cancellation)
    {
        var byBytes = new Dictionary<string, int>(StringComparer.Ordinal);
        var byPixels = new Dictionary<(int, int, UInt128), int>();
        using var pixels = new PixelComparison(limits);
        foreach (int row in order)
        {
            cancellation.ThrowIfCancellationRequested();
            string digest = Convert.ToHexString(
                images.Digests.AsSpan(row * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes)
            );
            if (!byBytes.TryAdd(digest, row))
                first[row] = first[byBytes[digest]];
            else if (
                images.Facts[row] is { } facts
                && !byPixels.TryAdd((facts.Width, facts.Height, facts.Pixels), row)
                && byPixels[(facts.Width, facts.Height, facts.Pixels)] is var other
                && pixels.AreSame(images.Items[row], images.Items[other])
            )
                first[row] = other;
        }

        foreach (IGrouping<int, int> same in order.GroupBy(row => first[row]).Where(g => g.Count() > 1))
        {
            // One of each part and class: whatever the next one contradicts is among them.
            List<int> kept = [];
            foreach (int row in same)
            {
                if (kept.Count > 0)
                    matches.AddRange(Against(row, kept, _ => 1, exact: true));
                if (!kept.Exists(k => images.Part(k) == images.Part(row) && Label(k) == Label(row)))
                    kept.Add(row);
            }
        }
    }

    /// <summary>Compares all pairs of rows whose hashes are near.</summary>
    private void FindNear(
        int[] rows,
        ulong[] hashes,
        int mostBits,
        double leastCosine,
        ParallelOptions parallel,
        IProgress<JobProgress>? progress
    )
    {
        var found = new List<Match>?[rows.Length];
        int done = 0;
        Parallel.For(
            0,
            rows.Length,
            parallel,
            i =>
            {
                // From the other end first: the later rows have more to compare with.
                int at = rows.Length - 1 - i;
                found[at] = Near(at, rows, hashes, mostBits, leastCosine);
                progress?.Report(
                    new JobProgress("Looking for duplicates", Interlocked.Increment(ref done), rows.Length)
                );
            }
        );
        matches.AddRange(found.Where(f => f is not null).SelectMany(f => f!));
    }

    private List<Match>? Near(int at, int[] rows, ulong[] hashes, int mostBits, double leastCosine)
    {
        List<(int Row, double Cosine)>? near = null;
        int row = rows[at];
        for (int j = 0; j < at; j++)
        {
            if (PerceptualHash.Distance(hashes[at], hashes[j]) > mostBits)
                continue;
            if (
                images.Facts[row] is { } own
                && images.Facts[rows[j]] is { } other
                && own.Difference(other) > MostDifference
            )
                continue;
            if (images.Points.Cosine(row, rows[j]) is var cosine && cosine >= leastCosine)
                (near ??= []).Add((rows[j], cosine));
        }

        if (near is null)
            return null;
        var cosines = near.ToDictionary(n => n.Row, n => n.Cosine);
        return
        [
            .. Against(
                row,
                [.. near.OrderByDescending(n => n.Cosine).Select(n => n.Row)],
                o => cosines[o],
                exact: false
            ),
        ];
    }

    /// <summary>What an image is to earlier ones: a leak, a contradiction, or else one too many.</summary>
    private IEnumerable<Match> Against(int row, IReadOnlyList<int> others, Func<int, double> score, bool exact)
    {
        int leak = others.FirstOrDefault(o => IsLeak(row, o), -1),
            conflict = others.FirstOrDefault(o => Label(o) != Label(row), -1);
        if (leak >= 0)
            yield return new Match(FindingKind.Leak, row, leak, score(leak), exact);
        if (conflict >= 0)
            yield return new Match(FindingKind.LabelConflict, row, conflict, score(conflict), exact);
        if (leak >= 0 || conflict >= 0)
            yield break;
        int other = others.FirstOrDefault(o => exact || !IsOneGroup(row, o), -1);
        if (other >= 0)
            yield return new Match(
                exact ? FindingKind.Duplicate : FindingKind.NearDuplicate,
                row,
                other,
                score(other),
                exact
            );
    }

    private int Label(int row) => images.Table.Labels[row];

    private bool IsLeak(int one, int other) =>
        images.Part(one) != images.Part(other)
        && images.Part(one) != SplitPart.None
        && images.Part(other) != SplitPart.None;

    /// <summary>Shots of one burst are near, and are said to be.</summary>
    private bool IsOneGroup(int one, int other) =>
        images.Items[one].Group is { } group && group == images.Items[other].Group;
}

/// <summary>An image and an earlier one that it is the same as, or nearly.</summary>
/// <param name="Kind">What follows from it.</param>
/// <param name="Row">The image.</param>
/// <param name="Other">The earlier one, which stays.</param>
/// <param name="Score">Their cosine; 1 where they are the same.</param>
/// <param name="Exact">Whether they are the same byte for byte or pixel for pixel.</param>
internal readonly record struct Match(FindingKind Kind, int Row, int Other, double Score, bool Exact)
{
    /// <summary>It as a finding.</summary>
    /// <param name="images">The images.</param>
    /// <param name="beliefs">Probability of each image's own class by heads that have not seen it [rows]; null where it
    /// is not known. Of two images in two classes, the less likely one is to go.</param>
    public DataFinding Finding(CheckedImages images, double[]? beliefs)
    {
        (int row, int other) = (Row, Other);
        if (Kind == FindingKind.LabelConflict && beliefs is not null && beliefs[Other] < beliefs[Row])
            (row, other) = (Other, Row);
        string same = Exact ? "The same image as" : "Nearly the same image as",
            name = $"'{images.Name(other)}'";
        string message = Kind switch
        {
            FindingKind.Leak => $"{same} {name}, which is in the {Part(images.Part(other))} part, this one in the "
                + $"{Part(images.Part(row))} part: the figures are too good. Keep one of them.",
            FindingKind.LabelConflict => $"{same} {name}, which is labelled '{images.ClassOf(other)}', this one "
                + $"'{images.ClassOf(row)}': decide which class is right.",
            _ => $"{same} {name}. Keep one of them" + (Exact ? "." : ", or give both one group."),
        };
        return new DataFinding(Kind, [images.Name(row), images.Name(other)], Score, message)
        {
            Class = images.ClassOf(row),
            Exact = Exact,
        };
    }

    private static string Part(SplitPart part) => part.ToString().ToLowerInvariant();
}

/// <summary>Compares all pixels of two images. What was decoded last is kept: many are compared with one.</summary>
internal sealed class PixelComparison(ImageLimits limits) : IDisposable
{
    private readonly ItemReader reader = new(limits);
    private readonly RgbDecoder decoder = new(limits);
    private (DataItem Item, RgbImage Image)? last;

    public bool AreSame(DataItem one, DataItem other)
    {
        try
        {
            if (last?.Item != other)
                last = (other, decoder.Decode(reader.Read(other)));
            RgbImage image = decoder.Decode(reader.Read(one));
            return (image.Width, image.Height) == (last.Value.Image.Width, last.Value.Image.Height)
                && image.Pixels.Span.SequenceEqual(last.Value.Image.Pixels.Span);
        }
        catch (ImageRejectedException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        decoder.Dispose();
    }
}
