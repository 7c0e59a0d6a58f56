using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>Trains a head; the backbone stays as it is.</summary>
/// <param name="options">The run.</param>
/// <param name="backbone">The backbone.</param>
internal sealed class HeadRoute(TrainOptions options, Backbone backbone) : ITrainingRoute
{
    private readonly HeadRecipeOptions recipe = Recipe(options);

    /// <summary>How a head is fitted in a run.</summary>
    public static HeadRecipeOptions Recipe(TrainOptions options) =>
        new()
        {
            Head = options.Head,
            L2 = options.L2,
            ClassWeights = options.ClassWeights,
            ChoosesTap = options.Taps is null,
            Seed = options.Seed,
            Workers = options.Workers,
        };

    public void Check(IReadOnlyList<BackboneTap> taps, int classes) { }

    public Trial Run(TrainingSet set, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        var heads = new HeadRecipe(recipe, set.Extractor.Groups, backbone.Card.DefaultTap);
        var runner = new TrialRunner(
            set.Data.ClassNames,
            set.Table.Labels,
            (rows, fold) =>
                (
                    heads.Fit(set.Table.Select(rows), fold == 0 ? FitToJobProgress.Of(progress) : null, cancellation),
                    null
                ),
            (fit, _, rows) => fit.Predict(set.Table.Select(rows))
        );
        return set.Judge(
            options,
            runner.Split,
            fold =>
                runner.CrossValidate(
                    fold,
                    (done, folds) => progress?.Report(new JobProgress("Cross-validating", done, folds))
                )
        );
    }

    public string Digest(TrainingSet set, Trial trial) =>
        TrainingDigest.Of(set.Extractor.Space.Key(), TrainingDigest.OfRows(set.Table.Select(trial.TrainRows), recipe));

    public OnnxModel Network(Trial trial) => backbone.LoadModel();

    public float[] Predict(TrainingSet set, Trial trial, IReadOnlyList<int> rows, CancellationToken cancellation) =>
        trial.Fit.Predict(set.Table.Select(rows));

    public TuneSummary? Summary(Trial trial) => null;

    public void Written() { }
}
