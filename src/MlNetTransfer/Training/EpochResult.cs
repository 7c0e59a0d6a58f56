using System.Text.Json.Serialization;

namespace MlNetTransfer.Training;

/// <summary>
/// What one epoch gave: a line of metrics.jsonl, the time last, so that all before it can be compared byte for byte.
/// </summary>
public sealed record EpochResult
{
    /// <summary>Fold, from 1; 0 for the training whose model is written.</summary>
    public required int Fold { get; init; }

    /// <summary>
    /// Whether it is an epoch of the second training, on all images; false in the training that chooses.
    /// </summary>
    public bool Refit { get; init; }

    /// <summary>
    /// What was trained: "head" for the head fitted before the first epoch, "blocks 9 to 18" after that.
    /// </summary>
    public required string Stage { get; init; }

    /// <summary>Epoch, from 1; 0 for the head fitted before.</summary>
    public required int Epoch { get; init; }

    /// <summary>Steps done since the start.</summary>
    public required long Step { get; init; }

    /// <summary>
    /// Mean training loss of the epoch (nats, on augmented images and smoothed targets, each from before its step);
    /// null for the head fitted before.
    /// </summary>
    public required double? TrainLoss { get; init; }

    /// <summary>Log-loss (nats) of the validation images at the best temperature; null where there are none.</summary>
    public required double? ValidationLoss { get; init; }

    /// <summary>Accuracy on the validation images, in [0, 1]; null where there are none.</summary>
    public required double? ValidationAccuracy { get; init; }

    /// <summary>
    /// Learning rate of every group of weights at the epoch's last step, the head first, then from the top block down.
    /// </summary>
    public required IReadOnlyDictionary<string, double> LearningRates { get; init; }

    /// <summary>Seconds of the epoch, with its validation. Everything else in the line is reproducible.</summary>
    [JsonPropertyOrder(1)]
    public required double Seconds { get; init; }
}
