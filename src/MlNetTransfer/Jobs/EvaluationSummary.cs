using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>The figures of a run with what it could not use and how long it took.</summary>
public record EvaluationSummary : EvaluationFigures
{
    /// <summary>Makes the summary of a report.</summary>
    /// <param name="images">Images used.</param>
    /// <param name="report">The judgement of the evaluated images.</param>
    /// <param name="rejected">Images that were not used, and why.</param>
    /// <param name="imagesPerSecond">Images per second through decoding, preprocessing and the graph.</param>
    /// <param name="elapsed">Wall time of the whole job.</param>
    internal EvaluationSummary(
        int images,
        ClassificationReport report,
        IReadOnlyList<RejectedImage> rejected,
        double imagesPerSecond,
        TimeSpan elapsed
    )
        : base(images, report) =>
        (Rejected, ImagesPerSecond, Seconds) = (rejected, imagesPerSecond, elapsed.TotalSeconds);

    /// <summary>Images that were not used, and why.</summary>
    [JsonPropertyOrder(-12)]
    public IReadOnlyList<RejectedImage> Rejected { get; }

    /// <summary>
    /// Images per second through decoding, preprocessing and the graph (or the cache), on all workers.
    /// </summary>
    [JsonPropertyOrder(-11)]
    public double ImagesPerSecond { get; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    [JsonPropertyOrder(-10)]
    public double Seconds { get; }
}
