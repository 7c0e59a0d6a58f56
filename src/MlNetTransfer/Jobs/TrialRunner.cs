using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>Evaluates a recipe, by one split or by folds.</summary>
/// <param name="recipe">The recipe.</param>
/// <param name="table">All rows.</param>
internal sealed class TrialRunner(HeadRecipe recipe, FeatureTable table)
{
    /// <summary>Fits on one part and judges on the other; that fit is written.</summary>
    public Trial Split(TrainTestRows split, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        FittedHead fit = recipe.Fit(table.Select(split.Train), FitToJobProgress.Of(progress), cancellation);
        FeatureTable test = table.Select(split.Test);
        float[] found = fit.Predict(test);
        return new Trial(fit, split.Train, split.Test, Judge(test.Labels, found), Judge(test.Labels, fit.WithoutCalibration(found)), []);
    }

    /// <summary>Fits once per fold and judges each row by the fit that had not seen it; a last fit on all rows is written.</summary>
    /// <param name="fold">Fold of each row.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public Trial CrossValidate(int[] fold, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        int folds = fold.Max() + 1;
        int[] rows = [.. Enumerable.Range(0, table.Rows)];
        float[] probabilities = new float[table.Rows * table.Classes], uncalibrated = new float[probabilities.Length];
        var accuracies = new double[folds];
        for (int f = 0; f < folds; f++)
        {
            progress?.Report(new JobProgress("Cross-validating", f, folds));
            int[] test = Array.FindAll(rows, r => fold[r] == f);
            FeatureTable held = table.Select(test);
            FittedHead fit = recipe.Fit(table.Select(Array.FindAll(rows, r => fold[r] != f)), null, cancellation);
            float[] found = fit.Predict(held);
            accuracies[f] = Judge(held.Labels, found).Accuracy;
            Scatter(found, test, probabilities);
            Scatter(fit.WithoutCalibration(found), test, uncalibrated);
        }

        progress?.Report(new JobProgress("Cross-validating", folds, folds));
        return new Trial(recipe.Fit(table, FitToJobProgress.Of(progress), cancellation), rows, rows, Judge(table.Labels, probabilities), Judge(table.Labels, uncalibrated), accuracies);
    }

    private ClassificationReport Judge(int[] labels, float[] probabilities) => ClassificationReport.Of(table.ClassNames, labels, probabilities);

    private void Scatter(float[] found, int[] rows, float[] all)
    {
        for (int i = 0; i < rows.Length; i++) found.AsSpan(i * table.Classes, table.Classes).CopyTo(all.AsSpan(rows[i] * table.Classes));
    }
}
