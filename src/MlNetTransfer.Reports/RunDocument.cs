using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;
using MlNetTransfer.Training;

namespace MlNetTransfer.Reports;

/// <summary>What <c>report.json</c> says, member by member; members that are not known here are passed over.</summary>
internal sealed record RunDocument
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public required int Images { get; init; }
    public required double Accuracy { get; init; }
    public required IReadOnlyList<double> AccuracyInterval { get; init; }
    public required double Chance { get; init; }
    public required string MajorityClass { get; init; }
    public required double MajorityShare { get; init; }
    public required double LogLoss { get; init; }
    public required double Ece { get; init; }
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }
    public required IReadOnlyList<ClassScore> PerClass { get; init; }
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }
    public required double Seconds { get; init; }
    public required int TrainImages { get; init; }
    public required int TestImages { get; init; }
    public required ProtocolDocument Protocol { get; init; }
    public IReadOnlyList<double> FoldAccuracies { get; init; } = [];
    public double? FoldAccuracySd { get; init; }
    public string Strategy { get; init; } = "head";
    public TuningDocument? Training { get; init; }
    public FrozenDocument? Frozen { get; init; }
    public IReadOnlyList<StrategyTrial> Strategies { get; init; } = [];
    public AdvisedDocument? Advised { get; init; }
    public bool? AdviceWasRight { get; init; }
    public double? CorrectedAccuracy { get; init; }
    public IReadOnlyList<double>? CorrectedInterval { get; init; }
    public required string Backbone { get; init; }
    public IReadOnlyList<string> FoldBackbones { get; init; } = [];
    public IReadOnlyList<LeaderboardRow> Leaderboard { get; init; } = [];
    public required IReadOnlyList<string> Taps { get; init; }
    public IReadOnlyList<TrialDocument> TapTrials { get; init; } = [];
    public required int FeatureWidth { get; init; }
    public required string Head { get; init; }
    public IReadOnlyList<TrialDocument> HeadTrials { get; init; } = [];
    public double Temperature { get; init; } = 1;
    public double LogLossUncalibrated { get; init; }
    public double EceUncalibrated { get; init; }
    public Reliability? Reliability { get; init; }
    public RankingScores? Ranking { get; init; }
    public IReadOnlyDictionary<FindingKind, int> FindingCounts { get; init; } = new Dictionary<FindingKind, int>();
    public IReadOnlyList<DataFinding>? Findings { get; init; }
    public int FindingsLeftOut { get; init; }
    public int Seed { get; init; }
    public PreviousRun? Previous { get; init; }
    public required string Model { get; init; }
    public required string ModelSha256 { get; init; }
    public required string TrainingDigest { get; init; }
    public required ParityRecord Parity { get; init; }
    public JsonElement Options { get; init; }
    public string? Command { get; init; }
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The options of the run; null where an earlier version wrote the report, or a later one.</summary>
    public TrainOptions? Request()
    {
        try
        {
            return Options.ValueKind == JsonValueKind.Object
                ? JobRequest.FromJson(Options.GetRawText()) as TrainOptions
                : null;
        }
        catch (TransferException)
        {
            // The page says everything else without it.
            return null;
        }
    }

    /// <summary>Reads a report.</summary>
    /// <param name="json">Its text.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <exception cref="TransferException">It is no report of a training run.</exception>
    public static RunDocument Parse(string json, string file)
    {
        try
        {
            RunDocument run = JsonSerializer.Deserialize<RunDocument>(json, Json) ?? throw new JsonException("null");
            int classes = run.PerClass.Count;
            if (
                classes == 0
                || run.Confusion.Count != classes
                || run.Confusion.Any(row => row.Count != classes)
                || run.AccuracyInterval.Count != 2
            )
                throw new JsonException(
                    $"{classes} classes and a confusion table of {run.Confusion.Count} rows do not belong together."
                );
            if (run.FindingCounts is null || (run.Findings ?? []).Any(f => f?.Files is null || f.Files.Contains(null!)))
                throw new JsonException("A finding says not which files it is of.");
            return run;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ArgumentException)
        {
            if (json.Contains("\"job\": \"adapt\"", StringComparison.Ordinal))
                throw new TransferException(
                    $"'{file}' is of 'mlnet-transfer adapt', which has no page: no labelled image judges its model. "
                        + "Its figures are in that file, and what it takes each image for in predictions.csv beside "
                        + "it.",
                    e
                );
            throw new TransferException(
                $"'{file}' is no report.json of a training run: {e.Message.ReplaceLineEndings(" ")} Give the output "
                    + "folder of 'mlnet-transfer train'.",
                e
            );
        }
    }
}

/// <summary>How the figures came about.</summary>
internal sealed record ProtocolDocument(string Kind, int Folds, double? TestFraction, bool Asked, string Reason);

/// <summary>A head on the frozen features beside a trained network.</summary>
internal sealed record FrozenDocument(
    double Accuracy,
    IReadOnlyList<double> AccuracyInterval,
    double Gain,
    IReadOnlyList<double> GainInterval,
    string Verdict
);

/// <summary>A tap or a head that was compared with others.</summary>
internal sealed record TrialDocument(
    string? Tap,
    string? Name,
    int? Width,
    double LogLoss,
    double StandardError,
    double Accuracy
);

/// <summary>How the network was trained.</summary>
internal sealed record TuningDocument(
    int Blocks,
    int FrozenBlocks,
    int Epochs,
    int BestEpoch,
    int ValidationImages,
    string? Ended,
    IReadOnlyList<EpochDocument>? Metrics,
    double LearningRate = 0,
    IReadOnlyList<RateTrial>? Rates = null
);

/// <summary>One epoch.</summary>
internal sealed record EpochDocument(
    int Fold,
    bool Refit,
    int Epoch,
    double? TrainLoss,
    double? ValidationLoss,
    double? ValidationAccuracy
);

/// <summary>What the rule of thumb asked for before anything was tried.</summary>
internal sealed record AdvisedDocument
{
    public double Separability { get; init; }
    public double ImagesPerClass { get; init; }
    public string? Strategy { get; init; }
}
