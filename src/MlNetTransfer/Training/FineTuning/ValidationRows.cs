using MlNetTransfer.Datasets;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Training;

/// <summary>Sets a part of the training rows aside that judges epochs and calibrates.</summary>
internal static class ValidationRows
{
    /// <summary>A stratified draw that keeps groups together; classes that live in a single group stay in training whole.</summary>
    /// <param name="images">All images.</param>
    /// <param name="rows">The training rows.</param>
    /// <param name="fraction">Share for validation.</param>
    /// <param name="seed">Equal seeds give equal parts.</param>
    /// <returns>Rows to fit on, and rows to validate on: none where every class has a single row or group.</returns>
    public static TrainTestRows Of(TrainingImages images, IReadOnlyList<int> rows, double fraction, int seed)
    {
        int[] labels = [.. rows.Select(r => images.Labels[r])];
        if (images.Groups is null) return Select(rows, StratifiedSplit.TrainTest(labels, fraction, seed));
        int[] groups = [.. rows.Select(r => images.Groups[r])];
        HashSet<int> single = [.. Enumerable.Range(0, rows.Count).GroupBy(i => labels[i]).Where(c => c.Select(i => groups[i]).Distinct().Count() < 2).Select(c => c.Key)];
        HashSet<int> tied = [.. Enumerable.Range(0, rows.Count).Where(i => single.Contains(labels[i])).Select(i => groups[i])];
        int[] free = [.. Enumerable.Range(0, rows.Count).Where(i => !tied.Contains(groups[i]))];
        int[] validation = Draw([.. free.Select(i => labels[i])], [.. free.Select(i => groups[i])], fraction, seed);
        HashSet<int> held = [.. validation.Select(i => free[i])];
        return new TrainTestRows([.. Enumerable.Range(0, rows.Count).Where(i => !held.Contains(i)).Select(i => rows[i])], [.. held.Order().Select(i => rows[i])]);
    }

    private static int[] Draw(int[] labels, int[] groups, double fraction, int seed)
    {
        if (groups.Distinct().Count() < 2) return [];
        try
        {
            return [.. StratifiedSplit.TrainTest(labels, groups, fraction, seed).Test];
        }
        catch (TransferException)
        {
            // Groups of several classes tie some class to one side: whole groups at random then, without regard to classes.
            int[] order = [.. groups.Distinct().Order()];
            new Rng(seed).Shuffle<int>(order);
            HashSet<int> drawn = [.. order.Take(Math.Max(1, (int)(fraction * order.Length)))];
            int[] held = [.. Enumerable.Range(0, groups.Length).Where(i => drawn.Contains(groups[i]))];
            return labels.Distinct().All(c => Enumerable.Range(0, labels.Length).Any(i => labels[i] == c && !drawn.Contains(groups[i]))) ? held : [];
        }
    }

    private static TrainTestRows Select(IReadOnlyList<int> rows, TrainTestRows split) => new([.. split.Train.Select(i => rows[i])], [.. split.Test.Select(i => rows[i])]);
}
