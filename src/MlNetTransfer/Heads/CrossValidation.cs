using System.Runtime.ExceptionServices;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Predicts training rows by heads that were fitted without them.</summary>
public static class CrossValidation
{
    /// <summary>The fold of a row that is in every training part and never held out.</summary>
    public const int NeverHeldOut = -1;

    /// <summary>
    /// Stratified folds for heads: as <see cref="StratifiedFolds"/>, but the row of a class with a single row is
    /// <see cref="NeverHeldOut"/>, since without it the class could not be learnt.
    /// </summary>
    /// <param name="labels">Labels [rows], at least 0.</param>
    /// <param name="folds">Number of folds, at least 2; never more than rows.</param>
    /// <param name="seed">Equal seeds give equal folds, on every platform.</param>
    /// <param name="classNames">Names of the classes; null to draw by their numbers.</param>
    /// <returns>The fold of each row [rows]; it depends on the order of the rows within each class.</returns>
    public static int[] Folds(ReadOnlySpan<int> labels, int folds, int seed, IReadOnlyList<string>? classNames = null)
    {
        int[] fold = StratifiedFolds.Assign(labels, Math.Min(folds, labels.Length), seed, classNames);
        foreach (int[] rows in RowsByClass.Of(labels))
            if (rows.Length == 1)
                fold[rows[0]] = NeverHeldOut;
        return fold;
    }

    /// <summary>Fits one head per fold on the rows outside it, and predicts the rows inside.</summary>
    /// <remarks>
    /// A class that has no row outside a fold is unknown to that fold's head: it gets probability 0 there.
    /// </remarks>
    /// <param name="trainer">Fits the heads.</param>
    /// <param name="table">All rows.</param>
    /// <param name="fold">The fold of each row [rows]: 0, 1, … or <see cref="NeverHeldOut"/>. Rows that belong together
    /// (one object, one patient) belong in one fold.</param>
    /// <param name="workers">Folds at the same time; the result does not depend on it. More than 1 pays where the
    /// trainer itself uses a single thread.</param>
    /// <param name="progress">Told after each fold, from any thread.</param>
    /// <param name="cancellation">Ends the work as soon as the trainers do.</param>
    /// <returns>Predictions of all rows that a fold holds out; equal inputs give equal bytes.</returns>
    /// <exception cref="ArgumentException">There is not one fold per row, or a fold is below -1.</exception>
    /// <exception cref="TransferException">A fold leaves fewer than two classes, or the trainer refuses the
    /// rows.</exception>
    public static OutOfFoldPredictions OutOfFold(
        IHeadTrainer trainer,
        FeatureTable table,
        IReadOnlyList<int> fold,
        int workers = 1,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Check.InRange(workers, 1, 1024, nameof(workers));
        if (fold.Count != table.Rows)
            throw new ArgumentException($"{table.Rows} rows need as many folds, not {fold.Count}.", nameof(fold));
        if (fold.Any(f => f < NeverHeldOut))
            throw new ArgumentException(
                $"Fold {fold.Min()} is no fold: folds start at 0, {NeverHeldOut} is never held out.",
                nameof(fold)
            );
        int[][] parts =
        [
            .. Enumerable
                .Range(0, table.Rows)
                .Where(row => fold[row] != NeverHeldOut)
                .GroupBy(row => fold[row])
                .OrderBy(group => group.Key)
                .Select(group => group.ToArray()),
        ];
        var logits = new float[parts.Length][];
        var failures = new Exception?[parts.Length];
        int done = 0;
        progress?.Report(new FitProgress("Cross-validating", 0, parts.Length));
        Parallel.For(
            0,
            parts.Length,
            new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation },
            i =>
            {
                try
                {
                    int held = fold[parts[i][0]];
                    logits[i] = HeldOut(
                        trainer,
                        table,
                        [.. Enumerable.Range(0, table.Rows).Where(row => fold[row] != held)],
                        parts[i],
                        cancellation
                    );
                    progress?.Report(
                        new FitProgress("Cross-validating", Interlocked.Increment(ref done), parts.Length)
                    );
                }
                catch (Exception e) when (!cancellation.IsCancellationRequested)
                {
                    failures[i] = e;
                }
            }
        );
        if (Array.Find(failures, failure => failure is not null) is { } first)
            ExceptionDispatchInfo.Throw(first);
        return Collect(table, parts, logits);
    }

    private static float[] HeldOut(
        IHeadTrainer trainer,
        FeatureTable table,
        int[] train,
        int[] held,
        CancellationToken cancellation
    )
    {
        int[] known = [.. train.Select(row => table.Labels[row]).Distinct().Order()];
        FeatureTable part = table.Select(train),
            rest = table.Select(held);
        if (known.Length < table.Classes)
            part = new FeatureTable(
                [.. known.Select(c => table.ClassNames[c])],
                [.. part.Labels.Select(label => Array.BinarySearch(known, label))],
                part.Values,
                part.Width
            )
            {
                Networks = part.Networks,
            };
        float[] found = HeadRows.Logits(trainer.Fit(part, null, cancellation), rest);
        if (known.Length == table.Classes)
            return found;
        var logits = new float[held.Length * table.Classes];
        Array.Fill(logits, OutOfFoldPredictions.Unknown);
        for (int i = 0; i < found.Length; i++)
            logits[i / known.Length * table.Classes + known[i % known.Length]] = found[i];
        return logits;
    }

    private static OutOfFoldPredictions Collect(FeatureTable table, int[][] parts, float[][] logits)
    {
        int classes = table.Classes;
        (int Row, int Part, int At)[] order =
        [
            .. parts.SelectMany((rows, part) => rows.Select((row, at) => (row, part, at))).OrderBy(e => e.row),
        ];
        var all = new float[order.Length * classes];
        for (int i = 0; i < order.Length; i++)
            logits[order[i].Part].AsSpan(order[i].At * classes, classes).CopyTo(all.AsSpan(i * classes));
        return new OutOfFoldPredictions(
            [.. order.Select(e => e.Row)],
            [.. order.Select(e => table.Labels[e.Row])],
            all,
            classes
        );
    }
}

/// <summary>Predictions of rows by heads that were fitted without them. Immutable.</summary>
public sealed class OutOfFoldPredictions
{
    /// <summary>
    /// The logit of a class that the head did not know: its exponential is 0, and it stays finite when scaled.
    /// </summary>
    internal const float Unknown = -1e30f;

    private readonly int[] rows,
        labels;
    private readonly float[] logits;

    internal OutOfFoldPredictions(int[] rows, int[] labels, float[] logits, int classes)
    {
        (this.rows, this.labels, this.logits) = (rows, labels, logits);
        Classes = classes;
    }

    /// <summary>The rows that were held out, ascending [held out].</summary>
    public IReadOnlyList<int> Rows => Array.AsReadOnly(rows);

    /// <summary>Their true labels [held out].</summary>
    public IReadOnlyList<int> Labels => Array.AsReadOnly(labels);

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>Logits [held out × classes], row-major.</summary>
    public ReadOnlyMemory<float> Logits => logits;

    /// <summary>softmax(logits / temperature) [held out × classes], row-major; each row sums to 1.</summary>
    /// <param name="temperature">Above 0; 1 gives the heads' own probabilities.</param>
    public float[] Probabilities(double temperature = 1)
    {
        Check.InRange(temperature, TemperatureCalibration.Lowest, TemperatureCalibration.Highest, nameof(temperature));
        float[] probabilities = Array.ConvertAll(logits, logit => (float)(logit / temperature));
        for (int i = 0; i < rows.Length; i++)
            Softmax.InPlace(probabilities.AsSpan(i * Classes, Classes));
        return probabilities;
    }

    /// <summary>Rows whose own class the head knew: the only ones that tell how sure it should be.</summary>
    /// <param name="weight">What a row of each class counts [classes]; null: 1.</param>
    /// <param name="areFew">See <see cref="HeldOutLogits.AreFew"/>.</param>
    internal HeldOutLogits Judged(double[]? weight = null, bool areFew = false)
    {
        var judged = new HeldOutLogits(Classes) { AreFew = areFew };
        for (int i = 0; i < rows.Length; i++)
            if (logits[i * Classes + labels[i]] > Unknown)
                judged.Add(logits.AsSpan(i * Classes, Classes), labels[i], weight?[labels[i]] ?? 1);
        return judged;
    }
}
