using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// What a trial lets a model promise, from what the trial has anyway: probabilities of the images held out, and
/// features.
/// </summary>
/// <param name="Facts">What is stored in the model file.</param>
/// <param name="Score">The score of unknown images that goes into the graph; null where there is none.</param>
internal sealed record TrialReliability(Reliability Facts, UnknownScore? Score)
{
    private const int Folds = 5;

    /// <summary>Finds thresholds and score. Nothing is trained.</summary>
    /// <param name="trial">The trial.</param>
    /// <param name="all">Its rows.</param>
    /// <param name="options">The run.</param>
    public static TrialReliability Of(Trial trial, RecipeRows all, TrainOptions options)
    {
        int[] labels = [.. trial.TestRows.Select(row => all.Table.Labels[row])];
        bool judged = labels.Length > 0;
        (UnknownScore Score, UnknownImages Facts)? unknown = options.Reliability.ScoresUnknown
            ? Unknown(trial, all, options.Seed)
            : null;
        var facts = new Reliability
        {
            Evidence = judged && trial.Folds.Count == 0 ? ReliabilityEvidence.HeldOut : ReliabilityEvidence.Folds,
            Images = labels.Length,
            Abstention = judged
                ? Abstention.Of(labels, trial.Probabilities.Span, options.Reliability.TargetAccuracy)
                : null,
            Sets = judged
                ? ClassSets.Of(labels, trial.Probabilities, all.Table.Classes, options.Reliability.Coverage)
                : null,
            Unknown = unknown?.Facts,
        };
        return new TrialReliability(facts, unknown?.Score);
    }

    /// <summary>The features that some rows have at the taps in use, and the scores of the written model.</summary>
    /// <returns>One score a row; empty where there is no score.</returns>
    public float[] Scores(Trial trial, RecipeRows all, IReadOnlyList<int> rows) =>
        Score is null || trial.Fit.Features(all) is not { } table
            ? []
            : [.. Score.Score(table.Select(rows)).Select(score => (float)score)];

    private static (UnknownScore, UnknownImages)? Unknown(Trial trial, RecipeRows all, int seed)
    {
        if (trial.Fit.Features(all) is not { } table)
            return null;
        if (trial.TestRows.Count > 0)
            return UnknownImages.Fit(
                table,
                trial.TrainRows,
                trial.TestRows,
                trial.Folds.Count == 0 ? [] : [.. trial.TestRows.Select(row => trial.Folds[row])]
            );
        // Nothing was held out for an evaluation: the score needs no training, so folds of its own cost nothing.
        FeatureTable train = table.Select(trial.TrainRows);
        int[] fold = CrossValidation.Folds(train.Labels, Folds, seed, train.ClassNames),
            held = [.. Enumerable.Range(0, fold.Length).Where(i => fold[i] != CrossValidation.NeverHeldOut)];
        return held.Length == 0
            ? null
            : UnknownImages.Fit(
                table,
                trial.TrainRows,
                [.. held.Select(i => trial.TrainRows[i])],
                [.. held.Select(i => fold[i])]
            );
    }
}
