using MlNetTransfer.Numerics;

namespace MlNetTransfer.Datasets;

/// <summary>Divides labelled rows into folds for cross-validation, every class spread evenly.</summary>
public static class StratifiedFolds
{
    /// <summary>Gives each row its fold.</summary>
    /// <remarks>
    /// The rows of each class are shuffled and dealt out in turn, each class going on where the one before it stopped. So the folds' sizes differ by at
    /// most 1, within each class and in all; and a class with two rows or more has rows outside every fold.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="folds">Number of folds, in [2, rows].</param>
    /// <param name="seed">Equal seeds give equal folds, on every platform.</param>
    /// <returns>The fold of each row [rows], in [0, folds).</returns>
    public static int[] Assign(ReadOnlySpan<int> labels, int folds, int seed)
    {
        Check.InRange(folds, 2, Math.Max(2, labels.Length), nameof(folds));
        var rng = new Rng(seed);
        var fold = new int[labels.Length];
        int next = 0;
        foreach (int[] rows in RowsByClass.Of(labels))
        {
            rng.Shuffle<int>(rows);
            foreach (int row in rows) fold[row] = next++ % folds;
        }

        return fold;
    }
}
