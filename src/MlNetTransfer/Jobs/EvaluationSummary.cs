using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>An evaluation as it is printed and written: plain numbers, in the order of the JSON.</summary>
public record EvaluationSummary
{
    /// <summary>Images used.</summary>
    [JsonPropertyOrder(-20)]
    public required int Images { get; init; }

    /// <summary>Number of classes.</summary>
    [JsonPropertyOrder(-19)]
    public required int Classes { get; init; }

    /// <summary>Share of the evaluated images whose likeliest class is the true one, in [0, 1].</summary>
    [JsonPropertyOrder(-18)]
    public required double Accuracy { get; init; }

    /// <summary>95 % Wilson interval of the accuracy [low, high].</summary>
    [JsonPropertyOrder(-17)]
    public required IReadOnlyList<double> AccuracyInterval { get; init; }

    /// <summary>Mean log-loss in nats.</summary>
    [JsonPropertyOrder(-16)]
    public required double LogLoss { get; init; }

    /// <summary>Expected calibration error over 15 bins, in [0, 1].</summary>
    [JsonPropertyOrder(-15)]
    public required double Ece { get; init; }

    /// <summary>Evaluated images by true class (rows) and predicted class (columns) [classes × classes].</summary>
    [JsonPropertyOrder(-14)]
    public required IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; }

    /// <summary>Scores of every class.</summary>
    [JsonPropertyOrder(-13)]
    public required IReadOnlyList<ClassScore> PerClass { get; init; }

    /// <summary>Images that were not used, and why.</summary>
    [JsonPropertyOrder(-12)]
    public required IReadOnlyList<RejectedImage> Rejected { get; init; }

    /// <summary>Images per second through decoding, preprocessing and the graph (or the cache), on all workers.</summary>
    [JsonPropertyOrder(-11)]
    public required double ImagesPerSecond { get; init; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    [JsonPropertyOrder(-10)]
    public required double Seconds { get; init; }
}
