using MlNetTransfer.Numerics;

namespace MlNetTransfer.Datasets;

/// <summary>Divides labelled rows so that every class has its share on both sides.</summary>
public static class StratifiedSplit
{
    /// <summary>Draws the test rows of each class at random.</summary>
    /// <remarks>
    /// Of a class with n rows, round(testFraction · n) are drawn for the test (halves go to the even number), but at least 1 and at most n - 1;
    /// the row of a class with a single row stays in training. A class's draw depends on the seed and on the rows of the classes below it.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0; a label without rows is allowed.</param>
    /// <param name="testFraction">Share of each class for the test, in [0.01, 0.99].</param>
    /// <param name="seed">Equal seeds give equal splits, on every platform.</param>
    /// <returns>The rows of both sides, ascending.</returns>
    public static TrainTestRows TrainTest(ReadOnlySpan<int> labels, double testFraction, int seed)
    {
        Check.InRange(testFraction, 0.01, 0.99, nameof(testFraction));
        var rng = new Rng(seed);
        var test = new bool[labels.Length];
        foreach (int[] rows in RowsByClass.Of(labels))
        {
            rng.Shuffle<int>(rows);
            int count = rows.Length < 2 ? 0 : Math.Clamp((int)Math.Round(testFraction * rows.Length), 1, rows.Length - 1);
            foreach (int row in rows.AsSpan(0, count)) test[row] = true;
        }

        int[] all = [.. Enumerable.Range(0, labels.Length)];
        return new TrainTestRows(Array.AsReadOnly(Array.FindAll(all, row => !test[row])), Array.AsReadOnly(Array.FindAll(all, row => test[row])));
    }
}
