using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// A way of learning: from rows to something fitted. Splits, folds, jobs and estimators know recipes by this alone.
/// </summary>
internal interface IRecipe
{
    /// <summary>
    /// Whether a fit takes seconds: then folds are worth a progress report, and the steps of a fit are not.
    /// </summary>
    bool IsQuick { get; }

    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <param name="taps">All taps that may be taken.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="TransferException">An option contradicts another, or the network cannot be trained as
    /// asked.</exception>
    void Check(IReadOnlyList<BackboneTap> taps, int classes);

    /// <summary>Learns from some of the rows.</summary>
    /// <param name="all">All rows of the run.</param>
    /// <param name="rows">Those to learn from.</param>
    /// <param name="context">Which fit of the run it is, whom to tell and when to end.</param>
    IFitted Fit(RecipeRows all, IReadOnlyList<int> rows, FitContext context);

    /// <summary>The model is written: removes what only an interrupted run needs.</summary>
    void Written();
}

/// <summary>What a recipe has learned: a head on features of a network, frozen or trained.</summary>
internal interface IFitted
{
    /// <summary>The head, calibrated, where its features are taken and on what grounds it was chosen.</summary>
    FittedHead Head { get; }

    /// <summary>The taps of <see cref="Network"/> that the head's features are taken from, in their order.</summary>
    IReadOnlyList<BackboneTap> Taps { get; }

    /// <summary>How the network was trained; null where it stayed frozen.</summary>
    TuneSummary? Training { get; }

    /// <summary>What a reader of the figures should know.</summary>
    IEnumerable<string> Notes { get; }

    /// <summary>The ways that were tried to find it; empty where there was no choice.</summary>
    IReadOnlyList<StrategyTrial> Strategies => [];

    /// <summary>The whole network that the features come from.</summary>
    OnnxModel Network();

    /// <summary>The features of some rows, as the head takes them.</summary>
    /// <exception cref="TransferException">An item cannot be used any more.</exception>
    FeatureTable Features(RecipeRows all, IReadOnlyList<int> rows, FitContext context);

    /// <summary>Calibrated probabilities of some rows [rows × classes].</summary>
    /// <exception cref="TransferException">An item cannot be used any more.</exception>
    float[] Predict(RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
        Head.Head.Predict(Features(all, rows, context));

    /// <summary>SHA-256 of all that it depends on, 64 lower-case hexadecimal digits.</summary>
    string Digest();
}

/// <summary>What recipes learn from: images, and their features by the backbone as it was pretrained.</summary>
/// <param name="Images">The images, with labels and groups.</param>
/// <param name="Table">Their features at all taps side by side.</param>
/// <param name="Taps">The taps.</param>
/// <param name="Space">What the features depend on besides the images.</param>
internal sealed record RecipeRows(
    TrainingImages Images,
    FeatureTable Table,
    IReadOnlyList<BackboneTap> Taps,
    FeatureSpace Space
)
{
    /// <summary>Which features come from which tap.</summary>
    public TapGroups Groups =>
        new([.. Taps.Select(t => t.Name)], [.. Taps.Select(t => t.Width)], [.. Taps.Select(t => t.Network)]);

    /// <summary>What each network costs; empty where none is chosen among.</summary>
    public IReadOnlyList<NetworkCost> Costs { get; init; } = [];

    /// <summary>Features of images without labels, at all taps side by side; null where there are none.</summary>
    public FeatureTable? Unlabelled { get; init; }
}

/// <summary>Which fit of a run it is, whom to tell and when to end.</summary>
/// <param name="Fold">Fold, from 1; 0 for the fit whose model is written.</param>
/// <param name="Progress">Told how far each stage is; null for nobody.</param>
/// <param name="Cancellation">Ends the work.</param>
internal sealed record FitContext(int Fold, IProgress<JobProgress>? Progress, CancellationToken Cancellation);

/// <summary>All that a recipe is made from. Each takes what it has a use for.</summary>
internal sealed record RecipeSettings
{
    /// <summary>The strategy.</summary>
    public required TrainingStrategy Strategy { get; init; }

    /// <summary>The pretrained network.</summary>
    public required Backbone Backbone { get; init; }

    /// <summary>How a head is fitted; its seed, workers and class weights are the whole recipe's.</summary>
    public required HeadRecipeOptions Head { get; init; }

    /// <summary>How to choose among the networks side by side; null where all are taken.</summary>
    public BackboneChoice? Choice { get; init; }

    /// <summary>How the network is trained.</summary>
    public FineTuneOptions FineTune { get; init; } = new();

    /// <summary>How images without labels are given some; null for the best way.</summary>
    public PseudoLabelMethod? PseudoLabels { get; init; }

    /// <summary>How much a choice of the strategy may try.</summary>
    public TrainingPreset Preset { get; init; } = TrainingPreset.Good;

    /// <summary>
    /// The rule of thumb for the images, by which a choice of the strategy takes what to freeze; null where it is not
    /// known yet.
    /// </summary>
    public FreezeRule? Rule { get; init; }

    /// <summary>Where networks are trained; null for the CPU.</summary>
    public TrainingDevice? TrainingDevice { get; init; }

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>Folder for checkpoints and metrics; made where it is missing and something is to be kept.</summary>
    public required string Folder { get; init; }

    /// <summary>Folder for activations at the freeze boundary; null for no cache.</summary>
    public string? BoundaryCache { get; init; }

    /// <summary>Whether to go on from the checkpoints of an interrupted run.</summary>
    public bool Resume { get; init; }

    /// <summary>Whether other processes train folds of the run too, see <see cref="SharedFold"/>.</summary>
    public bool SharesFolds { get; init; }

    /// <summary>Files of the epochs besides metrics.jsonl.</summary>
    public LogFormats Logs { get; init; }

    /// <summary>Told of each epoch; null for nobody.</summary>
    public Action<EpochResult>? OnEpoch { get; init; }

    /// <summary>Measures seconds.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
