using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Selective;
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

    /// <summary>
    /// How unlike the rows that it was fitted on each of <see cref="TestRows"/> is, by the features of the fit that had
    /// not seen it (<see cref="UnknownScore"/>); empty where nobody asked, or nothing was held out.
    /// </summary>
    public IReadOnlyList<double> Distances { get; init; } = [];

    /// <summary>Networks of each fold's fit, see <see cref="FittedHead.Networks"/>; empty for a single split.</summary>
    public IReadOnlyList<string> FoldNetworks { get; init; } = [];

    /// <summary>The ways that were tried on the same folds; empty where there was no choice among them.</summary>
    public IReadOnlyList<StrategyTrial> Strategies { get; init; } = [];

    /// <summary>
    /// Accuracy of what is taken by such a choice, and its 95 % interval, see <see cref="Selection.Corrected"/>; null
    /// where there was none on folds.
    /// </summary>
    public (double Accuracy, Interval Interval)? Corrected { get; init; }

    /// <summary>What a reader should know of the choice.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

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
        var runner = new TrialRunner(recipe, all, options.Reliability.ScoresUnknown, progress, cancellation);
        if (options.FitsAll)
            return options.JudgesByFolds
                ? runner.CrossValidate(FoldsForReliability(set, options))
                : runner.Split(new TrainTestRows([.. Enumerable.Range(0, set.Table.Rows)], []));
        if (set.Protocol.Kind != ProtocolKind.CrossValidation)
            return runner.Split(
                HeldOutRows.Of(
                    set.Data,
                    set.Rows,
                    set.Table,
                    options,
                    set.Protocol.TestFraction ?? EvaluationProtocol.DefaultTestFraction
                )
            );
        int[] fold = HeldOutRows.Folds(set.Data, set.Rows, set.Table, options, set.Protocol.Folds);
        return recipe is AutoRecipe auto ? runner.Choose(auto, fold, options.Seed) : runner.CrossValidate(fold);
    }

    /// <summary>The folds of a run that has none but for what its model promises.</summary>
    private static int[] FoldsForReliability(TrainingSet set, TrainOptions options)
    {
        try
        {
            return HeldOutRows.Folds(set.Data, set.Rows, set.Table, options, set.Protocol.Folds);
        }
        catch (TransferException e)
        {
            throw new TransferException(
                $"{nameof(options.Reliability)} judges the model by folds, in which images that are byte for byte the "
                    + $"same stay together, and these images cannot be divided so. {e.Message} Or leave "
                    + $"{nameof(options.Reliability)} out.",
                e
            );
        }
    }
}

/// <summary>Evaluates a recipe, by one split or by folds; the same protocol whatever the recipe.</summary>
/// <param name="recipe">The recipe.</param>
/// <param name="all">All rows.</param>
/// <param name="measuresDistances">Whether <see cref="Trial.Distances"/> are wanted.</param>
/// <param name="progress">Told how far each stage is.</param>
/// <param name="cancellation">Ends the work.</param>
internal sealed class TrialRunner(
    IRecipe recipe,
    RecipeRows all,
    bool measuresDistances,
    IProgress<JobProgress>? progress,
    CancellationToken cancellation
)
{
    /// <summary>Trains on one part and judges on the other; that training is written.</summary>
    public Trial Split(TrainTestRows split)
    {
        IFitted fit = Fit(split.Train, 0, cancellation);
        if (split.Test.Count == 0)
            return new Trial(fit, split.Train, [], null, null, []);
        (float[] found, double[] distances) = Ask(fit, split, new FitContext(0, progress, cancellation));
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
            Distances = distances,
        };
    }

    /// <summary>
    /// Trains once per fold and judges each row by the training that had not seen it; a last one on all rows is
    /// written.
    /// </summary>
    /// <param name="fold">Fold of each row.</param>
    public Trial CrossValidate(int[] fold) => Written(Judged(fold, null, cancellation));

    /// <summary>
    /// Cross-validates every way of a choice on the same folds, and writes the one that the rows held out speak for.
    /// </summary>
    /// <param name="auto">The ways.</param>
    /// <param name="fold">Fold of each row.</param>
    /// <param name="seed">Seed of the draws that correct the accuracy.</param>
    public Trial Choose(AutoRecipe auto, int[] fold, int seed)
    {
        var table = new StrategyTable(all.Images.Labels, all.Images.ClassNames.Count);
        var tried = new Dictionary<string, (TrialRunner Runner, JudgedFolds Judged)>();
        auto.TryEach(
            attempt =>
            {
                var runner = new TrialRunner(attempt.Way.Recipe, all, measuresDistances, progress, cancellation);
                // All folds and the last training on all rows have to fit in the time that is left.
                JudgedFolds judged = runner.Judged(
                    fold,
                    (done, folds) => attempt.RequireTimeFor((folds - done + 1.0) / done),
                    attempt.Cancellation
                );
                tried[attempt.Way.Name] = (runner, judged);
                table.Add(attempt.Way.Name, judged.Probabilities, attempt.Elapsed);
            },
            cancellation
        );
        IReadOnlyList<StrategyTrial> trials = table.Trials();
        (TrialRunner chosen, JudgedFolds folds) = tried[trials.Single(trial => trial.Taken).Strategy];
        return chosen.Written(folds) with
        {
            Strategies = trials,
            Corrected = table.Selection.Corrected(seed),
            Notes = auto.Notes,
        };
    }

    /// <summary>What each row is taken for by a training that had not seen it.</summary>
    private JudgedFolds Judged(int[] fold, Action<int, int>? after, CancellationToken token)
    {
        int folds = fold.Max() + 1,
            classes = all.Images.ClassNames.Count;
        int[] rows = [.. Enumerable.Range(0, fold.Length)];
        float[] probabilities = new float[rows.Length * classes],
            uncalibrated = new float[probabilities.Length];
        double[] accuracies = new double[folds],
            distances = measuresDistances ? new double[rows.Length] : [];
        var networks = new string[folds];
        for (int f = 0; f < folds; f++)
        {
            Told(f, folds);
            int[] test = Array.FindAll(rows, r => fold[r] == f),
                train = Array.FindAll(rows, r => fold[r] != f);
            IFitted fit = Fit(train, f + 1, token);
            (float[] found, double[] own) = Ask(
                fit,
                new TrainTestRows(train, test),
                new FitContext(f + 1, null, token)
            );
            for (int i = 0; i < own.Length; i++)
                distances[test[i]] = own[i];
            networks[f] = fit.Head.Networks;
            accuracies[f] = Judge(test, found).Accuracy;
            Scatter(found, test, probabilities);
            Scatter(fit.Head.WithoutCalibration(found), test, uncalibrated);
            if (f + 1 < folds)
                after?.Invoke(f + 1, folds);
        }

        Told(folds, folds);
        return new JudgedFolds(fold, probabilities, uncalibrated, accuracies, networks, distances);
    }

    private Trial Written(JudgedFolds judged)
    {
        int[] rows = [.. Enumerable.Range(0, judged.Fold.Length)];
        return new Trial(
            Fit(rows, 0, cancellation),
            rows,
            rows,
            Judge(rows, judged.Probabilities),
            Judge(rows, judged.Uncalibrated),
            judged.Accuracies
        )
        {
            FoldNetworks = judged.Networks,
            Probabilities = judged.Probabilities,
            Folds = judged.Fold,
            Distances = judged.Distances,
        };
    }

    /// <summary>What a fit says of rows that it has not seen, and how unlike those that it has seen they are.</summary>
    private (float[] Probabilities, double[] Distances) Ask(IFitted fit, TrainTestRows parts, FitContext context)
    {
        FeatureTable test = fit.Features(all, parts.Test, context);
        return (
            fit.Head.Head.Predict(test),
            measuresDistances ? UnknownScore.Of(fit.Features(all, parts.Train, context)).Score(test) : []
        );
    }

    private IFitted Fit(IReadOnlyList<int> rows, int fold, CancellationToken token) =>
        recipe.Fit(all, rows, new FitContext(fold, recipe.IsQuick && fold > 0 ? null : progress, token));

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

    /// <summary>What was said of every row, and by which fold.</summary>
    private sealed record JudgedFolds(
        int[] Fold,
        float[] Probabilities,
        float[] Uncalibrated,
        double[] Accuracies,
        string[] Networks,
        double[] Distances
    );
}
