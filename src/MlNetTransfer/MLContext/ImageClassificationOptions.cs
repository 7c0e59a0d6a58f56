using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer;

/// <summary>How to train an image classifier. Immutable; an invalid instance cannot be made.</summary>
/// <remarks>
/// The names are those of ML.NET's ImageClassificationTrainer.Options (package Microsoft.ML.Vision) where the meaning
/// is the same.
/// </remarks>
public sealed record ImageClassificationOptions
{
    /// <summary>
    /// Column of images (paths, encoded bytes, <see cref="MLImage"/> or streams), from which the trainer takes its
    /// features itself and chooses among the backbone's taps; or of features that FeaturizeImages or another step made,
    /// a vector of float32 of known size, on which a head is trained. Default "ImagePath".
    /// </summary>
    public string FeatureColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "ImagePath";

    /// <summary>
    /// Column with the classes: of key type for several classes, as MapValueToKey gives it; bool for two. Default
    /// "Label".
    /// </summary>
    public string LabelColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "Label";

    /// <summary>
    /// Column for the calibrated probabilities, a vector of float32 [classes] whose slot names are the classes; for two
    /// classes the log-odds of "true". Default "Score".
    /// </summary>
    public string ScoreColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "Score";

    /// <summary>Column for the likeliest class, of the label column's type. Default "PredictedLabel".</summary>
    public string PredictedLabelColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "PredictedLabel";

    /// <summary>Column for the calibrated probability of "true"; for two classes only. Default "Probability".</summary>
    public string ProbabilityColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "Probability";

    /// <summary>
    /// Column that says whether the model is not sure, bool; only with <see cref="Reliability"/>. Default "Abstained".
    /// </summary>
    public string AbstainedColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "Abstained";

    /// <summary>
    /// Column for the names of the classes that come into question, likeliest first, a vector of text of 1 to all
    /// classes; only with <see cref="Reliability"/>. Default "PredictionSet".
    /// </summary>
    public string PredictionSetColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "PredictionSet";

    /// <summary>
    /// Column that says whether an image is unlike every training image, bool; only with <see cref="Reliability"/>
    /// where that scores unknown images. Default "Unknown".
    /// </summary>
    public string UnknownColumnName
    {
        get;
        init => field = ColumnName.Checked(value);
    } = "Unknown";

    /// <summary>
    /// Id of the pretrained backbone, or of several, as <see cref="TrainOptions.Backbone"/>. Default
    /// <see cref="BackboneCatalog.DefaultId"/>.
    /// </summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>
    /// Names of the backbone's taps to take features from, side by side. Default null: chosen by cross-validation on
    /// the rows that are trained on.
    /// </summary>
    public IReadOnlyList<string>? Taps
    {
        get;
        init =>
            field = value is null or { Count: > 0 }
                ? value
                : throw new ArgumentException("Name at least one tap, or none for the automatic choice.", nameof(Taps));
    }

    /// <summary>
    /// Whether features are the mean of those of an image and its mirror image, as
    /// <see cref="TrainOptions.TestTimeAugmentation"/>; the model then takes twice the time to score. Default none.
    /// </summary>
    public TestTimeAugmentation TestTimeAugmentation { get; init; }

    /// <summary>
    /// How much of the network is trained. Default <see cref="TrainingStrategy.Head"/>: the head alone.
    /// </summary>
    public TrainingStrategy Strategy { get; init; } = TrainingStrategy.Head;

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <summary>
    /// L2 penalty of a softmax head, in the range of <see cref="SoftmaxTrainerOptions.L2"/>. Default null: chosen by
    /// cross-validation.
    /// </summary>
    public double? L2
    {
        get;
        init => field = new SoftmaxTrainerOptions { L2 = value }.L2;
    }

    /// <summary>How much an image of each class counts in training. Default none: equally.</summary>
    public ClassWeights ClassWeights { get; init; } = ClassWeights.None;

    /// <summary>
    /// Whether every class gets a threshold of its own, chosen on training rows held out; for a head on frozen
    /// features. Default none: the likeliest class is the answer.
    /// </summary>
    public ClassThresholds Thresholds { get; init; }

    /// <summary>
    /// Images without labels, of the same kind and with the same classes, as <see cref="TrainOptions.Unlabelled"/>: a
    /// folder, a list or an archive. Default null: none.
    /// </summary>
    public string? UnlabelledPath
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>How those are given labels. Default null: the way that does best, or none.</summary>
    public PseudoLabelMethod? PseudoLabels { get; init; }

    /// <summary>
    /// What the model is to promise beside its probabilities; for images and several classes. Default null: nothing.
    /// </summary>
    /// <remarks>
    /// Given, the trainer judges its recipe by folds besides: five, or as many as the smallest class has different
    /// images where those are fewer. The model is the same, trained on all rows. For a head that takes a little longer;
    /// a training of the network is done once more for every fold. What was found is
    /// <see cref="ImageClassificationTraining.Reliability"/> of the fitted model.
    /// </remarks>
    public ReliabilityOptions? Reliability { get; init; }

    /// <summary>
    /// Passes over the images of a training of the network, as <see cref="FineTuneOptions.Epochs"/>. Default null: 15,
    /// from scratch 30.
    /// </summary>
    public int? Epoch
    {
        get;
        init => field = new FineTuneOptions { Epochs = value }.Epochs;
    }

    /// <summary>
    /// Images of a step of a training of the network, as <see cref="FineTuneOptions.BatchSize"/>. Default null: 16.
    /// </summary>
    public int? BatchSize
    {
        get;
        init => field = value is { } n ? new FineTuneOptions { BatchSize = n }.BatchSize : null;
    }

    /// <summary>
    /// Highest learning rate of a training of the network, as <see cref="FineTuneOptions.LearningRate"/>. Default null:
    /// chosen by short trainings.
    /// </summary>
    public double? LearningRate
    {
        get;
        init => field = new FineTuneOptions { LearningRate = value }.LearningRate;
    }

    /// <summary>
    /// Share of the rows that judge the epochs of a training of the network, as
    /// <see cref="FineTuneOptions.ValidationFraction"/>. Default null: 0.15.
    /// </summary>
    public double? ValidationSetFraction
    {
        get;
        init =>
            field = value is { } share ? new FineTuneOptions { ValidationFraction = share }.ValidationFraction : null;
    }

    /// <summary>All else of how the network is trained. Default null: by the strategy.</summary>
    public FineTuneOptions? FineTune { get; init; }

    /// <summary>Told of each epoch of a training of the network. Default null.</summary>
    public Action<EpochResult>? MetricsCallback { get; init; }

    /// <summary>Seed of all that is drawn. Default 1. Equal seeds and rows give an equal model.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Concurrent workers, in [1, 1024]; no result depends on it. Default null: one per core.</summary>
    public int? Workers
    {
        get;
        init => field = value is { } n ? new ExecutionPlan { Workers = n }.Workers : null;
    }

    /// <summary>
    /// Folder that keeps this library's own <c>model.onnx</c>, and checkpoints of an interrupted training; made where
    /// it is missing. Default null: none.
    /// </summary>
    public string? WorkspacePath
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.
    /// </summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are looked up and kept by the content of each image. Default true.</summary>
    public bool ReuseTrainSetBottleneckCachedValues { get; init; } = true;

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>
    /// Told of each row whose image cannot be used; such rows are then left out. Default null: the first such row ends
    /// the work with an error that names it.
    /// </summary>
    public Action<RejectedItem>? OnRejected { get; init; }

    /// <summary>Told how far each stage is, from any thread, besides <c>MLContext.Log</c>. Default null.</summary>
    public IProgress<JobProgress>? Progress { get; init; }

    /// <summary>
    /// Ends Fit by an <see cref="OperationCanceledException"/>; ML.NET hands no token to an estimator. Default none.
    /// </summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Options that were given and have no effect together with the others.</summary>
    /// <param name="onFeatures">Whether the rows hold features instead of images.</param>
    internal IEnumerable<string> WithoutEffect(bool onFeatures)
    {
        bool trains = Strategy.Network is not null || Strategy.Chooses;
        if (!trains)
        {
            foreach (
                (string name, bool given) in ((string, bool)[])
                    [
                        (nameof(Epoch), Epoch is not null),
                        (nameof(BatchSize), BatchSize is not null),
                        (nameof(LearningRate), LearningRate is not null),
                        (nameof(ValidationSetFraction), ValidationSetFraction is not null),
                        (nameof(FineTune), FineTune is not null),
                        (nameof(MetricsCallback), MetricsCallback is not null),
                    ]
            )
                if (given)
                    yield return $"{name} is for a training of the network, and Strategy is Head. Leave it out, or "
                        + $"set Strategy to FineTune, Full or Scratch.";
        }
        else if (TestTimeAugmentation != TestTimeAugmentation.None)
            yield return $"{nameof(TestTimeAugmentation)} is for a head on frozen features, and Strategy is "
                + $"{Strategy}. Leave it out, or set Strategy to Head.";

        if (L2 is not null && !Head.TakesL2)
            yield return $"{nameof(L2)} is for a softmax head, and Head is {Head}. Leave it out, or set Head to "
                + $"Softmax.";
        if (Thresholds != ClassThresholds.None && trains)
            yield return $"{nameof(Thresholds)} is for a head on frozen features, and Strategy is {Strategy}. Leave it "
                + "out, or set Strategy to Head.";
        bool takesOthers = !trains && (Head == HeadKind.Auto || Head == HeadKind.Kernel);
        if (UnlabelledPath is not null && (onFeatures || !takesOthers || Thresholds != ClassThresholds.None))
            yield return $"{nameof(UnlabelledPath)} is for a head on frozen features of images, of kind Auto or Kernel "
                + $"and without {nameof(Thresholds)}. Leave it out.";
        if (PseudoLabels is not null && UnlabelledPath is null)
            yield return $"{nameof(PseudoLabels)} is for images without labels. Leave it out, or set "
                + $"{nameof(UnlabelledPath)}.";
        foreach (string name in NamesWithoutColumn())
            yield return name;
        if (!onFeatures)
            yield break;
        if (Reliability is not null)
            yield return $"{nameof(Reliability)} is for images, and column '{FeatureColumnName}' holds features. Set "
                + $"FeatureColumnName to the column of images, or leave {nameof(Reliability)} out.";
        if (trains)
            yield return $"Strategy {Strategy} needs the images, and column '{FeatureColumnName}' holds features. "
                + $"Set FeatureColumnName to the column of images.";
        if (Taps is not null)
            yield return $"{nameof(Taps)} is for images, and column '{FeatureColumnName}' holds features. Give the "
                + $"taps to FeaturizeImages.";
        if (TestTimeAugmentation != TestTimeAugmentation.None)
            yield return $"{nameof(TestTimeAugmentation)} is for images, and column '{FeatureColumnName}' holds "
                + $"features. Set FeatureColumnName to the column of images.";
        if (OnRejected is not null)
            yield return $"{nameof(OnRejected)} is for images, and column '{FeatureColumnName}' holds features. "
                + $"Give it to FeaturizeImages.";
    }

    /// <summary>Names that were given to columns that there are none of.</summary>
    private IEnumerable<string> NamesWithoutColumn()
    {
        var names = new ImageClassificationOptions();
        foreach (
            (string option, bool given) in ((string, bool)[])
                [
                    (nameof(AbstainedColumnName), AbstainedColumnName != names.AbstainedColumnName),
                    (nameof(PredictionSetColumnName), PredictionSetColumnName != names.PredictionSetColumnName),
                    (nameof(UnknownColumnName), UnknownColumnName != names.UnknownColumnName),
                ]
        )
            if (given && Reliability is null)
                yield return $"{option} is for what a model promises beside its probabilities, and "
                    + $"{nameof(Reliability)} is not set. Leave it out, or set {nameof(Reliability)}.";
        if (UnknownColumnName != names.UnknownColumnName && Reliability is { ScoresUnknown: false })
            yield return $"{nameof(UnknownColumnName)} is for a model that scores unknown images, and "
                + $"{nameof(Reliability)} has {nameof(ReliabilityOptions.ScoresUnknown)} = false. Leave one of them "
                + "out.";
    }

    /// <summary>The same run as this library's own job makes it, on all rows.</summary>
    /// <param name="output">Folder for its files.</param>
    /// <param name="plan">How graphs are run.</param>
    internal TrainOptions ToJob(string output, ExecutionPlan plan)
    {
        FineTuneOptions tune = FineTune ?? new FineTuneOptions();
        return new TrainOptions
        {
            Folder = $"column {LabelColumnName}",
            Unlabelled = UnlabelledPath,
            PseudoLabels = PseudoLabels,
            Output = output,
            Backbone = Backbone,
            Taps = Taps,
            TestTimeAugmentation = TestTimeAugmentation,
            Strategy = Strategy,
            Head = Head,
            L2 = L2,
            ClassWeights = ClassWeights,
            Thresholds = Thresholds,
            FineTune = tune with
            {
                Epochs = Epoch ?? tune.Epochs,
                BatchSize = BatchSize ?? tune.BatchSize,
                LearningRate = LearningRate ?? tune.LearningRate,
                ValidationFraction = ValidationSetFraction ?? tune.ValidationFraction,
            },
            FitsAll = true,
            JudgesByFolds = Reliability is not null,
            Reliability = Reliability ?? new ReliabilityOptions(),
            Seed = Seed,
            Workers = plan.Workers,
            Device = plan.Provider,
            CacheFolder = CacheFolder,
            CacheFeatures = ReuseTrainSetBottleneckCachedValues,
            Limits = Limits,
        };
    }
}
