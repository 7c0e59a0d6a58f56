using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>One training run: labelled images in, a model and a report out. Immutable.</summary>
public sealed record TrainOptions
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

    /// <summary>Folder for model.onnx and report.json; made where it is missing.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Id of the backbone's card. Default <see cref="BackboneCatalog.DefaultId"/>.</summary>
    public string Backbone
    {
        get;
        init => field = Check.NotEmpty(value);
    } = BackboneCatalog.DefaultId;

    /// <summary>
    /// Names of the taps to take features from, side by side. Default null: the one that is best on the training part,
    /// see <see cref="TapSelector"/>.
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
    /// Folds of a cross-validation over all images, 0 or in [2, 20]. Default 0: not asked for, see
    /// <see cref="EvaluationProtocol"/>. With folds, the written model is trained on all images.
    /// </summary>
    public int Folds
    {
        get;
        init => field = value == 0 ? 0 : Check.InRange(value, 2, 20);
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

    /// <summary>
    /// Seed of the split and the folds. Default 1. Equal seeds and images give an equal model file, byte for byte.
    /// </summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Whether images that are byte for byte the same stay on one side of the split, as images of one group do. Default
    /// true; where not, they are noted in the report.
    /// </summary>
    public bool DuplicatesTogether { get; init; } = true;

    /// <summary>Told of each epoch of a training of the network.</summary>
    internal Action<Training.EpochResult>? OnEpoch { get; init; }

    /// <summary>
    /// Whether all images are trained on and none is judged: an estimator's Fit, whose data was divided before.
    /// </summary>
    internal bool FitsAll { get; init; }

    /// <summary>Concurrent workers, in [1, 1024]; no result depends on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = Environment.ProcessorCount;

    /// <summary>
    /// What runs the graphs. Default the CPU. Another device must give the CPU's numbers on some of the images before
    /// it is used.
    /// </summary>
    public ExecutionProvider Device { get; init; }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; }

    /// <summary>
    /// L2 penalty of a softmax head, in [1e-8, 1e4]. Default null: chosen by cross-validation on the training part.
    /// </summary>
    public double? L2
    {
        get;
        init => field = value is { } l2 ? Check.InRange(l2, 1e-8, 1e4, nameof(L2)) : null;
    }

    /// <summary>
    /// How much an image of each class counts in a softmax head, which the automatic choice then is. Default none:
    /// equally.
    /// </summary>
    public ClassWeights ClassWeights { get; init; } = ClassWeights.None;

    /// <summary>
    /// How much of the network is trained. Default <see cref="TrainingStrategy.Head"/>: the head alone.
    /// </summary>
    public TrainingStrategy Strategy
    {
        get;
        init =>
            field = Enum.IsDefined(value)
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Strategy), value, "There is no such strategy.");
    }

    /// <summary>
    /// How the network is trained; all defaults where the head alone is, see <see cref="TrainRules"/>.
    /// </summary>
    public FineTuneOptions FineTune { get; init; } = new();

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

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();
}
