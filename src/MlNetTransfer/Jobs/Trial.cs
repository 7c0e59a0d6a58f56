using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A recipe's evaluation on rows it was not fitted on, and the fit whose model is written.</summary>
/// <param name="Fit">The fit whose model is written.</param>
/// <param name="TrainRows">The rows it was fitted on.</param>
/// <param name="TestRows">The rows that were predicted by a fit that had not seen them.</param>
/// <param name="Report">The judgement of those predictions; null where no image was held out.</param>
/// <param name="Uncalibrated">The judgement of the same predictions without calibration.</param>
/// <param name="FoldAccuracies">Accuracy of each fold; empty for a single split.</param>
internal sealed record Trial(
    IFitted Fit,
    IReadOnlyList<int> TrainRows,
    IReadOnlyList<int> TestRows,
    ClassificationReport? Report,
    ClassificationReport? Uncalibrated,
    IReadOnlyList<double> FoldAccuracies
)
{
    /// <summary>
    /// Probabilities [test rows × classes] of <see cref="TestRows"/>; empty where nothing was held out.
    /// </summary>
    public ReadOnlyMemory<float> Probabilities { get; init; }

    /// <summary>The fold that held out each of <see cref="TestRows"/>; empty for a single split.</summary>
    public IReadOnlyList<int> Folds { get; init; } = [];

    /// <summary>Networks of each fold's fit, see <see cref="FittedHead.Networks"/>; empty for a single split.</summary>
    public IReadOnlyList<string> FoldNetworks { get; init; } = [];

    /// <summary>Tries a recipe as a run's protocol says: by a split, by folds, or on all images unjudged.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="all">The images of the run, as recipes see them.</param>
    /// <param name="set">The images of the run.</param>
    /// <param name="options">The run.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Ends the work.</param>
    public static Trial Of(
        IRecipe recipe,
        RecipeRows all,
        TrainingSet set,
        TrainOptions options,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        var runner = new TrialRunner(recipe, all, progress, cancellation);
        if (options.FitsAll)
            return runner.Split(new TrainTestRows([.. Enumerable.Range(0, set.Table.Rows)], []));
        return set.Protocol.Kind == ProtocolKind.CrossValidation
            ? runner.CrossValidate(HeldOutRows.Folds(set.Data, set.Rows, set.Table, options, set.Protocol.Folds))
            : runner.Split(
                HeldOutRows.Of(
                    set.Data,
                    set.Rows,
                    set.Table,
                    options,
                    set.Protocol.TestFraction ?? EvaluationProtocol.DefaultTestFraction
                )
            );
    }
}

/// <summary>Evaluates a recipe, by one split or by folds; the same protocol whatever the recipe.</summary>
/// <param name="recipe">The recipe.</param>
/// <param name="all">All rows.</param>
/// <param name="progress">Told how far each stage is.</param>
/// <param name="cancellation">Ends the work.</param>
internal sealed class TrialRunner(
    IRecipe recipe,
    RecipeRows all,
    IProgress<JobProgress>? progress,
    CancellationToken cancellation
)
{
    /// <summary>Trains on one part and judges on the other; that training is written.</summary>
    public Trial Split(TrainTestRows split)
    {
        IFitted fit = Fit(split.Train, 0);
        if (split.Test.Count == 0)
            return new Trial(fit, split.Train, [], null, null, []);
        float[] found = fit.Predict(all, split.Test, new FitContext(0, progress, cancellation));
        return new Trial(
            fit,
            split.Train,
            split.Test,
            Judge(split.Test, found),
            Judge(split.Test, fit.Head.WithoutCalibration(found)),
            []
        )
        {
            Probabilities = found,
        };
    }

    /// <summary>
    /// Trains once per fold and judges each row by the training that had not seen it; a last one on all rows is
    /// written.
    /// </summary>
    /// <param name="fold">Fold of each row.</param>
    public Trial CrossValidate(int[] fold)
    {
        int folds = fold.Max() + 1,
            classes = all.Images.ClassNames.Count;
        int[] rows = [.. Enumerable.Range(0, fold.Length)];
        float[] probabilities = new float[rows.Length * classes],
            uncalibrated = new float[probabilities.Length];
        var accuracies = new double[folds];
        var networks = new string[folds];
        for (int f = 0; f < folds; f++)
        {
            Told(f, folds);
            int[] test = Array.FindAll(rows, r => fold[r] == f);
            IFitted fit = Fit(Array.FindAll(rows, r => fold[r] != f), f + 1);
            float[] found = fit.Predict(all, test, new FitContext(f + 1, null, cancellation));
            networks[f] = fit.Head.Networks;
            accuracies[f] = Judge(test, found).Accuracy;
            Scatter(found, test, probabilities);
            Scatter(fit.Head.WithoutCalibration(found), test, uncalibrated);
        }

        Told(folds, folds);
        IFitted written = Fit(rows, 0);
        return new Trial(written, rows, rows, Judge(rows, probabilities), Judge(rows, uncalibrated), accuracies)
        {
            FoldNetworks = networks,
            Probabilities = probabilities,
            Folds = fold,
        };
    }

    private IFitted Fit(IReadOnlyList<int> rows, int fold) =>
        recipe.Fit(all, rows, new FitContext(fold, recipe.IsQuick && fold > 0 ? null : progress, cancellation));

    private void Told(int done, int folds)
    {
        if (recipe.IsQuick)
            progress?.Report(new JobProgress("Cross-validating", done, folds));
    }

    private ClassificationReport Judge(IReadOnlyList<int> rows, float[] probabilities) =>
        ClassificationReport.Of(all.Images.ClassNames, [.. rows.Select(r => all.Images.Labels[r])], probabilities);

    private void Scatter(float[] found, int[] rows, float[] into)
    {
        int classes = all.Images.ClassNames.Count;
        for (int i = 0; i < rows.Length; i++)
            found.AsSpan(i * classes, classes).CopyTo(into.AsSpan(rows[i] * classes));
    }
}
