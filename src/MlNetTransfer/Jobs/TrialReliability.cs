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
    /// <param name="cancellation">Ends the work.</param>
    public static TrialReliability Of(Trial trial, RecipeRows all, TrainOptions options, CancellationToken cancellation)
    {
        int[] labels = [.. trial.TestRows.Select(row => all.Table.Labels[row])];
        bool judged = labels.Length > 0;
        // A network that was trained on all images has features that say nothing of others: none are needed.
        bool scores = options.Reliability.ScoresUnknown && (judged || trial.Fit.Training is null);
        (UnknownScore Score, UnknownImages Facts)? unknown = scores
            ? Unknown(
                trial,
                trial.Fit.Features(all, trial.TrainRows, new FitContext(0, null, cancellation)),
                options.Seed
            )
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

    /// <summary>The score and its threshold; null where there is nothing to set it by.</summary>
    private static (UnknownScore, UnknownImages)? Unknown(Trial trial, FeatureTable train, int seed) =>
        UnknownImages.Fit(
            train,
            // Nothing held out for an evaluation: frozen features need no training, so folds of their own cost nothing.
            trial.TestRows.Count > 0
                ? trial.Distances
                : UnknownScore.OfFolds(train, CrossValidation.Folds(train.Labels, Folds, seed, train.ClassNames))
        );
}
