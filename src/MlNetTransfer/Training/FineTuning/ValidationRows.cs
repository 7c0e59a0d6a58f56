using MlNetTransfer.Datasets;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Training;

/// <summary>Sets a part of the training rows aside that judges epochs and calibrates.</summary>
internal static class ValidationRows
{
    /// <summary>
    /// A stratified draw that keeps groups together; classes that live in a single group stay in training whole.
    /// </summary>
    /// <remarks>
    /// It depends on the seed, the classes' names and the content of images and groups, not on the order in which they
    /// are listed.
    /// </remarks>
    /// <param name="images">All images.</param>
    /// <param name="rows">The training rows.</param>
    /// <param name="fraction">Share for validation.</param>
    /// <param name="seed">Equal seeds give equal parts.</param>
    /// <returns>Rows to fit on, and rows to validate on: none where every class has a single row or group.</returns>
    public static TrainTestRows Of(TrainingImages images, IReadOnlyList<int> rows, double fraction, int seed)
    {
        int[] labels = [.. rows.Select(r => images.Labels[r])];
        if (images.Groups is null)
        {
            TrainTestRows split = StratifiedSplit.TrainTest(
                labels,
                fraction,
                seed,
                images.ClassNames,
                images.DigestsOf(rows)
            );
            return new TrainTestRows([.. split.Train.Select(i => rows[i])], [.. split.Test.Select(i => rows[i])]);
        }

        int[] groups = [.. rows.Select(r => images.Groups[r])];
        HashSet<int> single =
        [
            .. Enumerable
                .Range(0, rows.Count)
                .GroupBy(i => labels[i])
                .Where(c => c.Select(i => groups[i]).Distinct().Count() < 2)
                .Select(c => c.Key),
        ];
        HashSet<int> tied =
        [
            .. Enumerable.Range(0, rows.Count).Where(i => single.Contains(labels[i])).Select(i => groups[i]),
        ];
        int[] free = [.. Enumerable.Range(0, rows.Count).Where(i => !tied.Contains(groups[i]))];
        HashSet<int> held = [.. Draw(images, [.. free.Select(i => rows[i])], fraction, seed)];
        return new TrainTestRows([.. rows.Where(row => !held.Contains(row))], [.. rows.Where(held.Contains)]);
    }

    /// <summary>The rows for validation, of rows whose classes all have two groups at least.</summary>
    private static IEnumerable<int> Draw(TrainingImages images, int[] rows, double fraction, int seed)
    {
        int[] labels = [.. rows.Select(r => images.Labels[r])],
            groups = [.. rows.Select(r => images.Groups![r])];
        if (groups.Distinct().Count() < 2)
            return [];
        byte[] digests = images.DigestsOf(rows);
        try
        {
            return StratifiedSplit
                .TrainTest(labels, groups, fraction, seed, images.ClassNames, digests)
                .Test.Select(i => rows[i]);
        }
        catch (TransferException)
        {
            // Groups of several classes tie some class to one side: whole groups at random then, without regard to
            // classes.
            int[] order = [.. new DrawOrder(labels, images.ClassNames, digests, groups).Ordered(groups).Distinct()];
            new Rng(seed).Shuffle<int>(order);
            HashSet<int> drawn = [.. order.Take(Math.Max(1, (int)(fraction * order.Length)))];
            HashSet<int> taught =
            [
                .. rows.Where(r => !drawn.Contains(images.Groups![r])).Select(r => images.Labels[r]),
            ];
            return labels.All(taught.Contains) ? rows.Where(r => drawn.Contains(images.Groups![r])) : [];
        }
    }
}
