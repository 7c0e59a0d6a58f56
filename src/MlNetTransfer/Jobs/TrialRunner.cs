using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Evaluates a way of training, by one split or by folds; the same protocol whether the backbone is trained too or not.
/// </summary>
/// <param name="classNames">The classes.</param>
/// <param name="labels">Class of each row [rows].</param>
/// <param name="fit">Trains on some rows; the number of the fold, counted from 1, or 0 for the training that is
/// written.</param>
/// <param name="predict">Calibrated probabilities of some rows [rows × classes].</param>
internal sealed class TrialRunner(
    IReadOnlyList<string> classNames,
    int[] labels,
    Func<IReadOnlyList<int>, int, (FittedHead Fit, TunedModel? Tuned)> fit,
    Func<FittedHead, TunedModel?, IReadOnlyList<int>, float[]> predict
)
{
    /// <summary>Trains on one part and judges on the other; that training is written.</summary>
    public Trial Split(TrainTestRows split)
    {
        (FittedHead head, TunedModel? tuned) = fit(split.Train, 0);
        if (split.Test.Count == 0)
            return new Trial(head, split.Train, [], null, null, []) { Tuned = tuned };
        float[] found = predict(head, tuned, split.Test);
        return new Trial(
            head,
            split.Train,
            split.Test,
            Judge(split.Test, found),
            Judge(split.Test, head.WithoutCalibration(found)),
            []
        )
        {
            Tuned = tuned,
        };
    }

    /// <summary>
    /// Trains once per fold and judges each row by the training that had not seen it; a last one on all rows is
    /// written.
    /// </summary>
    /// <param name="fold">Fold of each row.</param>
    /// <param name="begun">Told how many folds are done.</param>
    public Trial CrossValidate(int[] fold, Action<int, int>? begun = null)
    {
        int folds = fold.Max() + 1,
            classes = classNames.Count;
        int[] rows = [.. Enumerable.Range(0, labels.Length)];
        float[] probabilities = new float[rows.Length * classes],
            uncalibrated = new float[probabilities.Length];
        var accuracies = new double[folds];
        for (int f = 0; f < folds; f++)
        {
            begun?.Invoke(f, folds);
            int[] test = Array.FindAll(rows, r => fold[r] == f);
            (FittedHead head, TunedModel? tuned) = fit(Array.FindAll(rows, r => fold[r] != f), f + 1);
            float[] found = predict(head, tuned, test);
            accuracies[f] = Judge(test, found).Accuracy;
            Scatter(found, test, probabilities);
            Scatter(head.WithoutCalibration(found), test, uncalibrated);
        }

        begun?.Invoke(folds, folds);
        (FittedHead last, TunedModel? written) = fit(rows, 0);
        return new Trial(last, rows, rows, Judge(rows, probabilities), Judge(rows, uncalibrated), accuracies)
        {
            Tuned = written,
        };
    }

    private ClassificationReport Judge(IReadOnlyList<int> rows, float[] probabilities) =>
        ClassificationReport.Of(classNames, [.. rows.Select(r => labels[r])], probabilities);

    private void Scatter(float[] found, int[] rows, float[] all)
    {
        int classes = classNames.Count;
        for (int i = 0; i < rows.Length; i++)
            found.AsSpan(i * classes, classes).CopyTo(all.AsSpan(rows[i] * classes));
    }
}
