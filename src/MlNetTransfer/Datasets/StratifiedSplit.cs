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

/// <summary>A division of rows into training and test rows: together all rows, none twice.</summary>
/// <param name="Train">Indices of the training rows, ascending.</param>
/// <param name="Test">Indices of the test rows, ascending.</param>
public sealed record TrainTestRows(IReadOnlyList<int> Train, IReadOnlyList<int> Test)
{
    /// <param name="test">Whether each row is a test row [rows].</param>
    internal static TrainTestRows Of(bool[] test)
    {
        int[] all = [.. Enumerable.Range(0, test.Length)];
        return new TrainTestRows(
            Array.AsReadOnly(Array.FindAll(all, row => !test[row])),
            Array.AsReadOnly(Array.FindAll(all, row => test[row]))
        );
    }
}

/// <summary>The part of a pre-made split that an image belongs to.</summary>
public enum SplitPart
{
    /// <summary>None: its list has a split column, but says nothing for this image.</summary>
    None,

    /// <summary>For training: "train".</summary>
    Train,

    /// <summary>For choices made while training: "val", "valid" or "validation".</summary>
    Validation,

    /// <summary>For the evaluation: "test".</summary>
    Test,
}

/// <summary>What a pre-made split says about training and evaluation.</summary>
public static class PremadeSplit
{
    /// <summary>
    /// The part that is held out: <see cref="SplitPart.Test"/>; without any test image,
    /// <see cref="SplitPart.Validation"/>; <see cref="SplitPart.None"/> where there is neither.
    /// </summary>
    /// <param name="parts">The part of each image [items].</param>
    public static SplitPart HeldOut(IReadOnlyList<SplitPart> parts) =>
        parts.Contains(SplitPart.Test) ? SplitPart.Test
        : parts.Contains(SplitPart.Validation) ? SplitPart.Validation
        : SplitPart.None;

    /// <summary>The rows to train on and the rows held out.</summary>
    /// <remarks>
    /// Where test rows are held out, validation rows are trained on with the training rows. Rows of no part are on
    /// neither side.
    /// </remarks>
    /// <param name="parts">The part of each row [rows].</param>
    /// <param name="heldOut">The part that is held out, Test or Validation; see <see cref="HeldOut"/>.</param>
    /// <param name="source">Where the rows came from; named in errors.</param>
    /// <exception cref="TransferException">There is nothing to train on, or nothing is held out.</exception>
    public static TrainTestRows TrainTest(IReadOnlyList<SplitPart> parts, SplitPart heldOut, string source)
    {
        int[] all = [.. Enumerable.Range(0, parts.Count)];
        int[] test = heldOut == SplitPart.None ? [] : Array.FindAll(all, row => parts[row] == heldOut);
        if (test.Length == 0)
            throw new TransferException(
                $"'{source}' has no usable {(heldOut == SplitPart.Test ? "test" : "test or validation")} images in "
                    + $"its split. Mark some as {(heldOut == SplitPart.Test ? "test" : "test or val")}, or leave "
                    + $"the split out to have one drawn."
            );
        int[] train = Array.FindAll(
            all,
            row =>
                parts[row] == SplitPart.Train || (parts[row] == SplitPart.Validation && heldOut != SplitPart.Validation)
        );
        return Array.Exists(train, row => parts[row] == SplitPart.Train)
            ? new TrainTestRows(Array.AsReadOnly(train), Array.AsReadOnly(test))
            : throw new TransferException(
                $"'{source}' has no usable training images in its split. Mark some as train, or leave the split out "
                    + $"to have one drawn."
            );
    }
}

/// <summary>Row indices grouped by label.</summary>
internal static class RowsByClass
{
    /// <returns>One array per label from 0 to the highest, rows ascending.</returns>
    public static int[][] Of(ReadOnlySpan<int> labels)
    {
        var rows = new List<List<int>>();
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] < 0)
                throw new ArgumentException($"Row {row} has label {labels[row]}; labels start at 0.", nameof(labels));
            while (rows.Count <= labels[row])
                rows.Add([]);
            rows[labels[row]].Add(row);
        }

        return [.. rows.Select(list => list.ToArray())];
    }
}

/// <summary>
/// What operating systems leave behind in folders and archives; passed over without a line in the ledger.
/// </summary>
internal static class Leftovers
{
    public static bool Is(ReadOnlySpan<char> name) =>
        name[0] == '.'
        || name.Equals("Thumbs.db", StringComparison.OrdinalIgnoreCase)
        || name.Equals("desktop.ini", StringComparison.OrdinalIgnoreCase)
        || name is "__MACOSX";
}
