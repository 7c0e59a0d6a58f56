using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;

namespace MlNetTransfer;

/// <summary>How to train an image classifier on a pretrained backbone. Immutable; an invalid instance cannot be made.</summary>
/// <remarks>
/// The names are those of ML.NET's ImageClassificationTrainer.Options where the meaning is the same. Epoch, BatchSize, LearningRate and EarlyStopping have no
/// counterpart: heads are fitted to their optimum, or choose for themselves when to stop.
/// </remarks>
public sealed record TransferImageClassificationOptions
{
    /// <summary>Column with the preprocessed images, vector of float32 [3 × Size × Size] in the order channel, row, column, as <see cref="TransferPixelsCatalog.LoadTransferPixels"/> gives it for the same backbone. Default "Features".</summary>
    public string FeatureColumnName { get; init => field = ColumnName.Checked(value); } = "Features";

    /// <summary>Column with the classes, of key type with key values, as MapValueToKey gives it. Default "Label".</summary>
    public string LabelColumnName { get; init => field = ColumnName.Checked(value); } = "Label";

    /// <summary>Column for the calibrated probabilities, vector of float32 [classes] whose slot names are the classes. Default "Score".</summary>
    public string ScoreColumnName { get; init => field = ColumnName.Checked(value); } = "Score";

    /// <summary>Column for the likeliest class, a key with the label column's key values. Default "PredictedLabel".</summary>
    public string PredictedLabelColumnName { get; init => field = ColumnName.Checked(value); } = "PredictedLabel";

    /// <summary>Id of the backbone's card. Default "mobilenet_v2_140".</summary>
    public string Backbone { get; init => field = Given(value); } = "mobilenet_v2_140";

    /// <summary>Names of the backbone's taps to take features from, side by side. Default null: chosen by cross-validation on the training part.</summary>
    public IReadOnlyList<string>? Taps { get; init => field = value is null or { Count: > 0 } ? value : throw new ArgumentException("Name at least one tap, or none for the automatic choice.", nameof(Taps)); }

    /// <summary>The kind of head. Default <see cref="HeadKind.Auto"/>.</summary>
    public HeadKind Head { get; init; }

    /// <summary>L2 penalty of a softmax head, in [0, 1e3]. Default null: chosen by cross-validation on the training part.</summary>
    public double? L2 { get; init => field = value is null or (>= 0 and <= 1e3) ? value : throw new ArgumentOutOfRangeException(nameof(L2), value, "L2 must be in [0, 1000]."); }

    /// <summary>How much an image of each class counts in a softmax head, which the automatic choice then is. Default none: equally.</summary>
    public ClassWeights ClassWeights { get; init; } = ClassWeights.None;

    /// <summary>
    /// Share of each class held out for <see cref="TransferImageClassificationTransformer.Summary"/>, in [0.01, 0.99]; these rows
    /// are not trained on. Default null: decided by the number of rows, see <see cref="EvaluationProtocol"/>.
    /// </summary>
    public double? TestFraction
    {
        get;
        init => field = value is null or (>= 0.01 and <= 0.99)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TestFraction), value, "TestFraction must be in [0.01, 0.99].");
    }

    /// <summary>Folds of a cross-validation over all rows instead of one split, 0 or in [2, 20]. Default 0: not asked for. With folds, the model is trained on all rows.</summary>
    public int Folds { get; init => field = value is 0 or (>= 2 and <= 20) ? value : throw new ArgumentOutOfRangeException(nameof(Folds), value, "Folds must be 0 or in [2, 20]."); }

    /// <summary>Seed of the split and the folds. Default 1. Equal seeds and rows give an equal model.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Concurrent workers, in [1, 1024]; no result depends on it. Default: one per core.</summary>
    public int Workers { get; init => field = value is >= 1 and <= 1024 ? value : throw new ArgumentOutOfRangeException(nameof(Workers), value, "Workers must be in [1, 1024]."); } = Environment.ProcessorCount;

    /// <summary>Folder that keeps this library's own <c>model.onnx</c> and <c>report.json</c>; made where it is missing. Default null: neither is kept.</summary>
    public string? WorkspacePath { get; init => field = value is null ? null : Given(value); }

    /// <summary>Cache for imported backbones and features. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public string CacheFolder { get; init => field = Given(value); } = MlNetTransfer.CacheFolder.Root;

    /// <summary>Whether features are read from and stored in the cache. Default true.</summary>
    public bool CacheFeatures { get; init; } = true;

    /// <summary>Told how far each stage is, from any thread. Default null.</summary>
    public IProgress<JobProgress>? Progress { get; init; }

    /// <summary>Ends Fit by an <see cref="OperationCanceledException"/>; ML.NET hands no token to an estimator. Default none.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The same run as this library's own job makes it.</summary>
    /// <param name="output">Folder for its files.</param>
    internal TrainOptions ToJob(string output) => new()
    {
        Folder = $"column {LabelColumnName}",
        Output = output,
        Backbone = Backbone,
        Taps = Taps,
        Head = Head,
        L2 = L2,
        ClassWeights = ClassWeights,
        TestFraction = TestFraction,
        Folds = Folds,
        Seed = Seed,
        Workers = Workers,
        CacheFolder = CacheFolder,
        CacheFeatures = CacheFeatures,
    };

    private static string Given(string? value, [System.Runtime.CompilerServices.CallerMemberName] string name = "") =>
        !string.IsNullOrWhiteSpace(value) ? value : throw new ArgumentException($"{name} must not be empty.", name);
}
