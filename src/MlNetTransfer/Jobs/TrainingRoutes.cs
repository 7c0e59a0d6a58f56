using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A way from features to a model: with the backbone frozen, or training it too.</summary>
internal interface ITrainingRoute
{
    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <param name="taps">All taps that may be taken.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="TransferException">An option contradicts another, or the network cannot be trained as
    /// asked.</exception>
    void Check(IReadOnlyList<BackboneTap> taps, int classes);

    /// <summary>Trains and evaluates.</summary>
    Trial Run(TrainingSet set, IProgress<JobProgress>? progress, CancellationToken cancellation);

    /// <summary>SHA-256 of all that the trained model depends on, 64 hexadecimal digits.</summary>
    string Digest(TrainingSet set, Trial trial);

    /// <summary>The backbone as it is after training.</summary>
    OnnxModel Network(Trial trial);

    /// <summary>Calibrated probabilities of some rows [rows × classes], as they were evaluated.</summary>
    float[] Predict(TrainingSet set, Trial trial, IReadOnlyList<int> rows, CancellationToken cancellation);

    /// <summary>What the report says of the training of the network; null where it stayed frozen.</summary>
    TuneSummary? Summary(Trial trial);

    /// <summary>The model is written: removes what only an interrupted run needs.</summary>
    void Written();
}

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

/// <summary>Trains the network: from its pretrained weights, or from random ones.</summary>
internal sealed class TuneRoute : ITrainingRoute
{
    private readonly TrainOptions options;
    private readonly FineTuneTrials trials;
    private FineTuneInput? input;

    /// <param name="options">The run.</param>
    /// <param name="backbone">The backbone.</param>
    /// <param name="clock">Measures seconds.</param>
    public TuneRoute(TrainOptions options, Backbone backbone, TimeProvider clock)
    {
        OnnxModel network = backbone.LoadModel();
        this.options = options;
        trials = new FineTuneTrials(
            options,
            backbone,
            options.Strategy == TrainingStrategy.Scratch ? RandomWeights.Draw(network, options.Seed) : network,
            clock
        );
    }

    public void Check(IReadOnlyList<BackboneTap> taps, int classes) => trials.Check(taps, classes);

    public Trial Run(TrainingSet set, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        input = Input(set);
        TrialRunner runner = trials.Runner(
            input,
            set.Protocol.Kind == ProtocolKind.CrossValidation,
            progress,
            cancellation
        );
        return set.Judge(options, runner.Split, fold => runner.CrossValidate(fold));
    }

    public string Digest(TrainingSet set, Trial trial) => trials.Digest(input!, trial.TrainRows);

    public OnnxModel Network(Trial trial) => trial.Tuned!.Backbone;

    public float[] Predict(TrainingSet set, Trial trial, IReadOnlyList<int> rows, CancellationToken cancellation) =>
        trials.Predict(trial.Tuned!, input!, rows, null, cancellation);

    public TuneSummary? Summary(Trial trial) => TuneSummary.Of(trial.Tuned, input!.Metrics.Lines);

    public void Written() => trials.RemoveCheckpoints();

    private FineTuneInput Input(TrainingSet set)
    {
        var images = new TrainingImages(
            [.. Enumerable.Range(0, set.Table.Rows).Select(set.Item)],
            set.Table.Labels,
            set.Rows.Digests,
            set.Data.ClassNames,
            HeldOutRows.GroupsOf(set.Data, set.Rows, options)
        );
        return new FineTuneInput(
            images,
            set.Table,
            set.Extractor.Taps,
            set.Extractor.Space,
            HeadRoute.Recipe(options),
            new MetricsFile(Path.Combine(OutputFolder(), "metrics.jsonl"), options.Resume, options.OnEpoch)
        );
    }

    private string OutputFolder()
    {
        try
        {
            return Directory.CreateDirectory(options.Output).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"Folder '{options.Output}' cannot be made: {e.Message} Choose another output folder.",
                e
            );
        }
    }
}

/// <summary>A recipe's evaluation on rows it was not fitted on, and the fit whose head is written.</summary>
/// <param name="Fit">The fit whose head is written.</param>
/// <param name="TrainRows">The rows it was fitted on.</param>
/// <param name="TestRows">The rows that were predicted by a fit that had not seen them.</param>
/// <param name="Report">The judgement of those predictions; null where no image was held out.</param>
/// <param name="Uncalibrated">The judgement of the same predictions without calibration.</param>
/// <param name="FoldAccuracies">Accuracy of each fold; empty for a single split.</param>
internal sealed record Trial(
    FittedHead Fit,
    IReadOnlyList<int> TrainRows,
    IReadOnlyList<int> TestRows,
    ClassificationReport? Report,
    ClassificationReport? Uncalibrated,
    IReadOnlyList<double> FoldAccuracies
)
{
    /// <summary>The trained network; null where the backbone stayed frozen.</summary>
    public TunedModel? Tuned { get; init; }
}

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
