using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>What a model says of images.</summary>
/// <param name="Predictions">One per usable image, in the order given.</param>
/// <param name="Rejected">Images that were not used, and why.</param>
/// <param name="ImagesPerSecond">Images per second, decoding included, on all workers.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record PredictionSummary(
    IReadOnlyList<Prediction> Predictions,
    IReadOnlyList<RejectedImage> Rejected,
    double ImagesPerSecond,
    double Seconds
)
{
    /// <summary>The classes; the index is the label id.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> ClassNames { get; init; } = [];
}
