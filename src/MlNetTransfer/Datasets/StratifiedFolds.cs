namespace MlNetTransfer.Datasets;

/// <summary>Divides labelled rows into folds for cross-validation, every class spread evenly.</summary>
public static class StratifiedFolds
{
    /// <summary>Gives each row its fold.</summary>
    /// <remarks>
    /// The rows of each class are shuffled and dealt out in turn, each class going on where the one before it stopped.
    /// So the folds' sizes differ by at most 1, within each class and in all; and a class with two rows or more has
    /// rows outside every fold. With names and digests, the folds depend on the seed, the classes' names and the
    /// images' content: not on the order of the rows or on the numbers of the classes.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="folds">Number of folds, in [2, rows].</param>
    /// <param name="seed">Equal seeds give equal folds, on every platform.</param>
    /// <param name="classNames">Names of the classes; null to draw by their numbers.</param>
    /// <param name="digests">SHA-256 of each row's image [rows × 32]; empty to draw by the order of the rows.</param>
    /// <returns>The fold of each row [rows], in [0, folds).</returns>
    public static int[] Assign(
        ReadOnlySpan<int> labels,
        int folds,
        int seed,
        IReadOnlyList<string>? classNames = null,
        ReadOnlySpan<byte> digests = default
    )
    {
        Check.InRange(folds, 2, Math.Max(2, labels.Length), nameof(folds));
        var fold = new int[labels.Length];
        int next = 0;
        foreach (int[] rows in new DrawOrder(labels, classNames, digests).Shuffled(seed))
        foreach (int row in rows)
            fold[row] = next++ % folds;

        return fold;
    }

    /// <summary>Gives each row its fold so that all rows of a group are in one fold.</summary>
    /// <remarks>
    /// Groups are dealt out whole, the largest first, each to the fold where it leaves every class spread most evenly;
    /// groups of one size in random order. The rule is that of scikit-learn's StratifiedGroupKFold. Every class has
    /// rows outside every fold. Where each group has one class only, a class's rows in two folds differ by at most its
    /// largest group. With names and digests, the folds depend on the seed, the classes' names and the groups' content:
    /// not on the order of the rows or on the numbers of the classes and groups.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="groups">Group ids [rows], any numbers; see <see cref="Groups"/>.</param>
    /// <param name="folds">Number of folds, in [2, rows].</param>
    /// <param name="seed">Equal seeds give equal folds, on every platform.</param>
    /// <param name="classNames">Names of the classes; null to draw by their numbers.</param>
    /// <param name="digests">SHA-256 of each row's image [rows × 32]; empty to draw by the order of the rows.</param>
    /// <returns>The fold of each row [rows], in [0, folds). Where there are fewer groups than folds, some folds stay
    /// empty.</returns>
    /// <exception cref="TransferException">A class lives in one group only, or is tied to one fold by groups of several
    /// classes; the message names it.</exception>
    public static int[] Assign(
        ReadOnlySpan<int> labels,
        ReadOnlySpan<int> groups,
        int folds,
        int seed,
        IReadOnlyList<string>? classNames = null,
        ReadOnlySpan<byte> digests = default
    )
    {
        Check.InRange(folds, 2, Math.Max(2, labels.Length), nameof(folds));
        var shares = new double[folds];
        Array.Fill(shares, 1.0 / folds);
        return GroupDealer.Deal(labels, groups, shares, seed, classNames, digests);
    }
}
