using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>One training run: labelled images in, a model and a report out. Immutable.</summary>
public sealed record TrainOptions : DataJobRequest
{
    /// <summary>
    /// The labelled images: a folder with one folder per class (or with train, val and test folders of those), a .csv,
    /// .tsv, .jsonl or .ndjson list, or a .zip; see <see cref="DatasetReader"/>.
    /// </summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>
    /// Images without labels, of the same kind and with the same classes: a folder, a list or an archive; up to 2,000
    /// of them are taken. They are trained on too where labelled images held out speak for it. Default null: none.
    /// </summary>
    public string? Unlabelled
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>How those are given labels. Default null: the way that does best, or none.</summary>
    public PseudoLabelMethod? PseudoLabels { get; init; }

    /// <summary>Folder for model.onnx, report.json and predictions.csv; made where it is missing.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Id of the backbone's card; several, separated by commas: their features side by side; <c>auto</c>: the best of
    /// <see cref="Backbones"/> or of pairs of them, by cross-validation on the training part. Default
    /// <see cref="BackboneCatalog.DefaultId"/>.
    /// </summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>
    /// Ids of the backbones that <c>auto</c> chooses among. Default null: all that take images and are on this machine.
    /// </summary>
    public IReadOnlyList<string>? Backbones
    {
        get;
        init => field = value is null ? null : Names.Of(value, least: 1);
    }

    /// <summary>
    /// Milliseconds that <c>auto</c> may let a backbone take per image, decoding included, on one core of this machine;
    /// above 0, at most 10⁶. Default null: any.
    /// </summary>
    public double? MaxMilliseconds
    {
        get;
        init => field = value is { } most ? Check.InRange(most, 1e-3, 1e6, nameof(MaxMilliseconds)) : null;
    }

    /// <summary>
    /// Names of the taps to take features from, side by side. Default null: the one that is best on the training part,
    /// see <see cref="TapSelector"/>.
    /// </summary>
    public IReadOnlyList<string>? Taps
    {
        get;
        init => field = value is null ? null : Names.Of(value, least: 1);
    }

    /// <summary>
    /// Whether features are the mean of those of an image and its mirror image, in training and in scoring, which then
    /// takes twice the time. Default none: the image alone.
    /// </summary>
    public TestTimeAugmentation TestTimeAugmentation { get; init; }

    /// <summary>
    /// Folds of a cross-validation over all images, in [2, 20]. Default null: not asked for, see
    /// <see cref="EvaluationProtocol"/>. With folds, the written model is trained on all images.
    /// </summary>
    public int? Folds
    {
        get;
        init => field = value is { } folds ? Check.InRange(folds, 2, 20) : null;
    }

    /// <summary>
    /// Share of each class held out for the evaluation, in [0.01, 0.99]. Default null: decided by the number of images,
    /// see <see cref="EvaluationProtocol"/>.
    /// </summary>
    public double? TestFraction
    {
        get;
        init => field = value is { } share ? Check.InRange(share, 0.01, 0.99, nameof(TestFraction)) : null;
    }

    /// <summary>What the written model promises beside its probabilities.</summary>
    public ReliabilityOptions Reliability { get; init; } = new();

    /// <summary>
    /// Seed of the split and the folds. Default 1. Equal seeds and images give an equal model file, byte for byte.
    /// </summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Whether images that are byte for byte the same stay on one side of the split, as images of one group do. Default
    /// true; where not, they are noted in the report.
    /// </summary>
    public bool DuplicatesTogether { get; init; } = true;

    /// <summary>
    /// Whether all images are trained on and none is judged: an estimator's Fit, whose data was divided before.
    /// </summary>
    internal bool FitsAll { get; init; }

    /// <summary>
    /// Whether folds judge such a run nevertheless, for what its model promises; the model is trained on all images in
    /// either case.
    /// </summary>
    internal bool JudgesByFolds { get; init; }

    /// <summary>
    /// What runs the graphs. Default the CPU. Another device must give the CPU's numbers on some of the images before
    /// it is used.
    /// </summary>
    public ExecutionProvider Device { get; init; }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <summary>
    /// L2 penalty of a softmax head, in the range of <see cref="SoftmaxTrainerOptions.L2"/>. Default null: chosen by
    /// cross-validation on the training part.
    /// </summary>
    public double? L2
    {
        get;
        init => field = new SoftmaxTrainerOptions { L2 = value }.L2;
    }

    /// <summary>
    /// How much an image of each class counts in training. Default none: equally.
    /// </summary>
    public ClassWeights ClassWeights { get; init; } = ClassWeights.None;

    /// <summary>
    /// Whether every class gets a threshold of its own, chosen on training images held out. Default none: the likeliest
    /// class is the answer.
    /// </summary>
    public ClassThresholds Thresholds { get; init; }

    /// <summary>
    /// How much of the network is trained. Default <see cref="TrainingStrategy.Head"/>: the head alone.
    /// </summary>
    public TrainingStrategy Strategy { get; init; } = TrainingStrategy.Head;

    /// <summary>
    /// How much <see cref="TrainingStrategy.Auto"/> may try. Default null: <see cref="TrainingPreset.Good"/>.
    /// </summary>
    public TrainingPreset? Preset { get; init; }

    /// <summary>
    /// How the network is trained; all defaults where the head alone is, see <see cref="TrainRules"/>.
    /// </summary>
    public FineTuneOptions FineTune { get; init; } = new();

    /// <summary>
    /// Files of the epochs of a training besides metrics.jsonl, for other programs. Default none.
    /// </summary>
    public LogFormats Logs { get; init; }

    /// <summary>
    /// Whether to go on from the checkpoints of an interrupted run with the same images and options in the same output
    /// folder. Default false.
    /// </summary>
    public bool Resume { get; init; }

    /// <summary>Whether the weights are written to weights.safetensors beside the model. Default false.</summary>
    public bool SaveWeights { get; init; }

    /// <summary>
    /// Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.
    /// </summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are read from and stored in the cache. Default true.</summary>
    public bool CacheFeatures { get; init; } = true;

    /// <summary>
    /// What the result depends on, the same on every machine: no path, and weights to start from by what is in them.
    /// </summary>
    internal TrainOptions Anywhere() =>
        (
            FineTune.InitialWeights is { } weights && File.Exists(weights)
                ? this with
                {
                    FineTune = FineTune with { InitialWeights = FileDigest.Of(weights) },
                }
                : this
        ).Elsewhere("-", "-") with
        {
            Unlabelled = Unlabelled is null ? null : "-",
            CacheFeatures = true,
        };

    /// <summary>The same training for other folders, without what is this machine's: cache and cores.</summary>
    internal TrainOptions Elsewhere(string folder, string output)
    {
        var standard = new TrainOptions { Folder = folder, Output = output };
        return this with
        {
            Folder = folder,
            Output = output,
            CacheFolder = standard.CacheFolder,
            Workers = standard.Workers,
        };
    }

    /// <inheritdoc/>
    public override TrainJob CreateJob(JobServices? services = null) => new(this, services);
}
