using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>An evaluation as it is printed and written: plain numbers, in the order of the JSON.</summary>
public record EvaluationSummary
{
    /// <summary>Makes the summary of a report.</summary>
    /// <param name="images">Images used.</param>
    /// <param name="report">The judgement of the evaluated images.</param>
    /// <param name="rejected">Images that were not used, and why.</param>
    /// <param name="imagesPerSecond">Images per second through decoding, preprocessing and the graph.</param>
    /// <param name="elapsed">Wall time of the whole job.</param>
    internal EvaluationSummary(int images, ClassificationReport report, IReadOnlyList<RejectedImage> rejected, double imagesPerSecond, TimeSpan elapsed)
    {
        (Images, Classes, Accuracy, AccuracyInterval) = (images, report.ClassNames.Count, report.Accuracy, [report.AccuracyInterval.Low, report.AccuracyInterval.High]);
        (LogLoss, Ece, Confusion, PerClass) = (report.LogLoss, report.CalibrationError, report.Confusion, report.PerClass);
        (Rejected, ImagesPerSecond, Seconds) = (rejected, imagesPerSecond, elapsed.TotalSeconds);
    }

    /// <summary>Images used.</summary>
    [JsonPropertyOrder(-20)]
    public int Images { get; }

    /// <summary>Number of classes.</summary>
    [JsonPropertyOrder(-19)]
    public int Classes { get; }

    /// <summary>Share of the evaluated images whose likeliest class is the true one, in [0, 1].</summary>
    [JsonPropertyOrder(-18)]
    public double Accuracy { get; }

    /// <summary>95 % Wilson interval of the accuracy [low, high].</summary>
    [JsonPropertyOrder(-17)]
    public IReadOnlyList<double> AccuracyInterval { get; }

    /// <summary>Mean log-loss in nats.</summary>
    [JsonPropertyOrder(-16)]
    public double LogLoss { get; }

    /// <summary>Expected calibration error over 15 bins, in [0, 1].</summary>
    [JsonPropertyOrder(-15)]
    public double Ece { get; }

    /// <summary>Evaluated images by true class (rows) and predicted class (columns) [classes × classes].</summary>
    [JsonPropertyOrder(-14)]
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; }

    /// <summary>Scores of every class.</summary>
    [JsonPropertyOrder(-13)]
    public IReadOnlyList<ClassScore> PerClass { get; }

    /// <summary>Images that were not used, and why.</summary>
    [JsonPropertyOrder(-12)]
    public IReadOnlyList<RejectedImage> Rejected { get; }

    /// <summary>Images per second through decoding, preprocessing and the graph (or the cache), on all workers.</summary>
    [JsonPropertyOrder(-11)]
    public double ImagesPerSecond { get; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    [JsonPropertyOrder(-10)]
    public double Seconds { get; }
}
