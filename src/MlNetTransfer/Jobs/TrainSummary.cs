using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Advice;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>What a training run did and how well its model does on images it was not trained on.</summary>
public sealed record TrainSummary : EvaluationSummary
{
    internal TrainSummary(
        int images,
        ClassificationReport report,
        IReadOnlyList<RejectedItem> rejected,
        double imagesPerSecond,
        TimeSpan elapsed
    )
        : base(images, report, rejected, imagesPerSecond, elapsed) { }

    /// <summary>Images that the written model was trained on.</summary>
    public required int TrainImages { get; init; }

    /// <summary>
    /// Images that the evaluation is of: those held out, or with folds all, each predicted by a model that was not
    /// trained on it.
    /// </summary>
    public required int TestImages { get; init; }

    /// <summary>How the figures came about, and why in that way.</summary>
    public required EvaluationProtocol Protocol { get; init; }

    /// <summary>Accuracy of each fold, in [0, 1]; empty without folds.</summary>
    public required IReadOnlyList<double> FoldAccuracies { get; init; }

    /// <summary>Mean of the folds' accuracies; null without folds.</summary>
    public double? FoldAccuracyMean => FoldAccuracies.Count == 0 ? null : FoldAccuracies.Average();

    /// <summary>Standard deviation of the folds' accuracies (n - 1); null without folds.</summary>
    public double? FoldAccuracySd =>
        FoldAccuracies.Count < 2
            ? null
            : Math.Sqrt(
                FoldAccuracies.Sum(a => Math.Pow(a - FoldAccuracies.Average(), 2)) / (FoldAccuracies.Count - 1)
            );

    /// <summary>
    /// How much of the network was trained: "head", "finetune", "full" or "scratch"; of a choice, the one taken.
    /// </summary>
    public string Strategy { get; init; } = "head";

    /// <summary>
    /// The ways that were compared, on the folds or on a part of the training images; empty without a choice.
    /// </summary>
    public IReadOnlyList<StrategyTrial> Strategies { get; init; } = [];

    /// <summary>What the rule of thumb asked for before anything was tried; null without a choice.</summary>
    public DataQuadrant? Advised { get; init; }

    /// <summary>
    /// Whether the rule of thumb asked for what the images held out then spoke for; null without a choice.
    /// </summary>
    public bool? AdviceWasRight => Advised is null || Strategies.Count == 0 ? null : Advised.Strategy == Strategy;

    /// <summary>
    /// Accuracy of what such a choice takes, on images that did not take part in it (bootstrap); null without a choice
    /// by folds. <see cref="EvaluationFigures.Accuracy"/> is of the images that chose, and so a little too good.
    /// </summary>
    public double? CorrectedAccuracy { get; init; }

    /// <summary>95 % interval of that [low, high].</summary>
    public IReadOnlyList<double>? CorrectedInterval { get; init; }

    /// <summary>The interval of the accuracy that allows for a choice by folds, where there was one.</summary>
    internal IReadOnlyList<double> IntervalWithChoice => CorrectedInterval ?? AccuracyInterval;

    /// <summary>How the network was trained; null where the head alone was.</summary>
    public TuneSummary? Training { get; init; }

    /// <summary>
    /// A head on the frozen features beside it, on the same images; null where the head alone was trained.
    /// </summary>
    public FrozenBaseline? Frozen { get; init; }

    /// <summary>Id of the backbone's card; of several networks side by side, theirs with '+' between.</summary>
    public required string Backbone { get; init; }

    /// <summary>
    /// The backbone that was chosen in each fold, on its training images alone; empty without folds or without a
    /// choice.
    /// </summary>
    public IReadOnlyList<string> FoldBackbones { get; init; } = [];

    /// <summary>
    /// Backbones, taps and heads compared on the images that the written model was trained on, the most accurate first;
    /// empty without a choice of backbones.
    /// </summary>
    public IReadOnlyList<LeaderboardRow> Leaderboard { get; init; } = [];

    /// <summary>Milliseconds per image that the backbone might take; null without a budget.</summary>
    public double? MaxMilliseconds { get; init; }

    /// <summary>The taps that the written model takes its features from.</summary>
    public required IReadOnlyList<string> Taps { get; init; }

    /// <summary>
    /// What was found for each tap on the images that the written model was trained on; empty where the taps were
    /// given.
    /// </summary>
    public required IReadOnlyList<TapTrial> TapTrials { get; init; }

    /// <summary>Features per image.</summary>
    public required int FeatureWidth { get; init; }

    /// <summary>The kind of head that was written.</summary>
    public required string Head { get; init; }

    /// <summary>
    /// What was found for each kind of head on the images that the written model was trained on; empty where the head
    /// was given.
    /// </summary>
    public required IReadOnlyList<HeadTrial> HeadTrials { get; init; }

    /// <summary>
    /// What the head's logits were divided by to calibrate it, fitted by cross-validation on the images to train.
    /// </summary>
    public required double Temperature { get; init; }

    /// <summary>What images without labels did for the written model; null where none were given.</summary>
    public SelfTrainingSummary? SelfTraining { get; init; }

    /// <summary>Mean log-loss of the evaluated images without that, in nats.</summary>
    public required double LogLossUncalibrated { get; init; }

    /// <summary>Expected calibration error of the evaluated images without that, in [0, 1].</summary>
    public required double EceUncalibrated { get; init; }

    /// <summary>The same with its 95 % interval by the bootstrap.</summary>
    public Estimate? CalibrationErrorUncalibrated { get; init; }

    /// <summary>
    /// What the model says beside its probabilities, and what that rests on; the file has the same.
    /// </summary>
    public Reliability? Reliability { get; init; }

    /// <summary>Seed of the split and the folds.</summary>
    public required int Seed { get; init; }

    /// <summary>Share of the images held out.</summary>
    public required double TestFraction { get; init; }

    /// <summary>Images whose features came from the cache.</summary>
    public required int FromCache { get; init; }

    /// <summary>What was known of the model that this run replaced; null where there was none.</summary>
    public PreviousRun? Previous { get; init; }

    /// <summary>The model file.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public required string ModelSha256 { get; init; }

    /// <summary>SHA-256 over all that training depended on, hexadecimal.</summary>
    public required string TrainingDigest { get; init; }

    /// <summary>How far the written file agrees with what was evaluated.</summary>
    public required ParityRecord Parity { get; init; }

    /// <summary>The options of the run; in JSON the request that <see cref="JobRequest.FromJson"/> reads.</summary>
    [JsonConverter(typeof(RequestConverter<TrainOptions>))]
    public required TrainOptions Options { get; init; }

    /// <summary>The command line that asked for the run; null where none did.</summary>
    public string? Command { get; init; }

    /// <summary>What a reader of the figures should know, e.g. images that are in both parts.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>
    /// How many findings on the images there are of each kind, in the order in which they are best mended: by their
    /// features and what was said of those held out. <c>mlnet-transfer check</c> looks at the pixels too.
    /// </summary>
    public IReadOnlyDictionary<FindingKind, int> FindingCounts { get; init; } = new Dictionary<FindingKind, int>();

    /// <summary>The findings, ordered by kind; of too many, the first 200 of all kinds in turns.</summary>
    public IReadOnlyList<DataFinding> Findings { get; init; } = [];

    /// <summary>How many findings are not among <see cref="Findings"/>.</summary>
    public int FindingsLeftOut => FindingCounts.Values.Sum() - Findings.Count;

    /// <summary>
    /// What was said of every evaluated image by a model that was not trained on it: what <c>predictions.csv</c>
    /// holds.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyList<EvaluatedItem> Predictions { get; init; } = [];

    /// <summary>The summary as <c>report.json</c> has it.</summary>
    public string ToJson() => ReportFile.Text(this);
}

/// <summary>What the report of the model that a run replaced says of it.</summary>
/// <param name="Accuracy">Its accuracy, in [0, 1].</param>
/// <param name="AccuracyInterval">The 95 % interval of that [low, high].</param>
/// <param name="TestImages">Images that it was evaluated on.</param>
public sealed record PreviousRun(double Accuracy, IReadOnlyList<double> AccuracyInterval, int TestImages)
{
    /// <summary>Reads the report beside a model; null where there is no model, or no report that can be read.</summary>
    internal static PreviousRun? Of(string folder)
    {
        string report = Path.Combine(folder, "report.json");
        if (!File.Exists(Path.Combine(folder, "model.onnx")) || !File.Exists(report))
            return null;
        try
        {
            PreviousRun? found = JsonSerializer.Deserialize<PreviousRun>(
                File.ReadAllBytes(report),
                JsonSerializerOptions.Web
            );
            return
                found is { TestImages: > 0, Accuracy: >= 0 and <= 1, AccuracyInterval: [>= 0 and <= 1, >= 0 and <= 1] }
                ? found
                : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            // The comparison is a courtesy; the new model does not depend on it.
            return null;
        }
    }
}

/// <summary>Writes a job's summary as JSON, whole or not at all.</summary>
internal static class ReportFile
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static string Text<T>(T summary) => JsonSerializer.Serialize(summary, Json);

    public static void Write<T>(string path, T summary) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, summary, Json));
}

/// <summary>
/// Puts a model and the report on it in place, so that a run that is killed never leaves the report of another model
/// beside it.
/// </summary>
/// <remarks>
/// The old report goes first and the new one comes last: whatever is interrupted between leaves a model without a
/// report. The report names the model's SHA-256 too.
/// </remarks>
internal static class ModelAndReport
{
    /// <param name="model">The verified model.</param>
    /// <param name="report">The report's file.</param>
    /// <param name="summary">What it holds.</param>
    /// <param name="between">What else belongs to the model.</param>
    /// <exception cref="TransferException">The model cannot take its name; then the old pair stays.</exception>
    public static void Write<T>(StagedFile model, string report, T summary, Action between)
    {
        string aside = FormattableString.Invariant($"{report}.{Guid.NewGuid():N}.old");
        try
        {
            if (File.Exists(report))
                File.Move(report, aside);
            model.Take();
        }
        catch (Exception e)
        {
            if (File.Exists(aside))
                File.Move(aside, report);
            if (e is IOException or UnauthorizedAccessException)
                throw new TransferException(
                    $"'{report}' cannot be replaced: {e.Message} Check the folder's permissions and the disk, or "
                        + $"give another --output.",
                    e
                );
            throw;
        }

        File.Delete(aside);
        between();
        ReportFile.Write(report, summary);
    }
}
