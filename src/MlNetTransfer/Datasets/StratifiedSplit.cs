namespace MlNetTransfer.Datasets;

/// <summary>Divides labelled rows so that every class has its share on both sides.</summary>
public static class StratifiedSplit
{
    /// <summary>Draws the test rows of each class at random.</summary>
    /// <remarks>
    /// Of a class with n rows, round(testFraction · n) are drawn for the test (halves go to the even number), but at
    /// least 1 and at most n - 1; the row of a class with a single row stays in training. With names and digests, a
    /// class's draw depends on the seed, its name and the content of its images alone: not on the order of the rows, on
    /// the numbers of the classes or on the other classes.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0; a label without rows is allowed.</param>
    /// <param name="testFraction">Share of each class for the test, in [0.01, 0.99].</param>
    /// <param name="seed">Equal seeds give equal splits, on every platform.</param>
    /// <param name="classNames">Names of the classes; null to draw by their numbers.</param>
    /// <param name="digests">SHA-256 of each row's image [rows × 32]; empty to draw by the order of the rows.</param>
    /// <returns>The rows of both sides, ascending.</returns>
    public static TrainTestRows TrainTest(
        ReadOnlySpan<int> labels,
        double testFraction,
        int seed,
        IReadOnlyList<string>? classNames = null,
        ReadOnlySpan<byte> digests = default
    )
    {
        Check.InRange(testFraction, 0.01, 0.99, nameof(testFraction));
        var test = new bool[labels.Length];
        foreach (int[] rows in new DrawOrder(labels, classNames, digests).Shuffled(seed))
        {
            int count =
                rows.Length < 2 ? 0 : Math.Clamp((int)Math.Round(testFraction * rows.Length), 1, rows.Length - 1);
            foreach (int row in rows.AsSpan(0, count))
                test[row] = true;
        }

        return TrainTestRows.Of(test);
    }

    /// <summary>Draws the test rows so that all rows of a group stand on one side.</summary>
    /// <remarks>
    /// Groups are dealt out whole, the largest first, each to the side where it leaves the classes' shares nearest to
    /// what was asked; groups of one size in random order. The rule is that of scikit-learn's StratifiedGroupKFold,
    /// with two parts of unequal size. Every class is on both sides. Where each group has one class only, a class's
    /// share is off by at most half of its largest group, or by at most one group where that is needed to have it on
    /// both sides. With names and digests, the draw depends on the seed, the classes' names and the groups' content:
    /// not on the order of the rows or on the numbers of the classes and groups.
    /// </remarks>
    /// <param name="labels">Labels [rows], at least 0; a label without rows is allowed.</param>
    /// <param name="groups">Group ids [rows], any numbers; see <see cref="Groups"/>.</param>
    /// <param name="testFraction">Share of each class for the test, in [0.01, 0.99].</param>
    /// <param name="seed">Equal seeds give equal splits, on every platform.</param>
    /// <param name="classNames">Names of the classes; null to draw by their numbers.</param>
    /// <param name="digests">SHA-256 of each row's image [rows × 32]; empty to draw by the order of the rows.</param>
    /// <returns>The rows of both sides, ascending.</returns>
    /// <exception cref="TransferException">A class lives in one group only, or is tied to one side by groups of several
    /// classes; the message names it.</exception>
    public static TrainTestRows TrainTest(
        ReadOnlySpan<int> labels,
        ReadOnlySpan<int> groups,
        double testFraction,
        int seed,
        IReadOnlyList<string>? classNames = null,
        ReadOnlySpan<byte> digests = default
    )
    {
        Check.InRange(testFraction, 0.01, 0.99, nameof(testFraction));
        int[] side = GroupDealer.Deal(labels, groups, [1 - testFraction, testFraction], seed, classNames, digests);
        return TrainTestRows.Of(Array.ConvertAll(side, s => s == 1));
    }
}
