using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>
/// An evaluation of a model file, with the images that it was trained on apart: on those it is nearly always right,
/// which says nothing of new ones.
/// </summary>
public sealed record ModelEvaluation
{
    /// <summary>Images used.</summary>
    public required int Images { get; init; }

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>Accuracy on the images that it was not trained on, in [0, 1]; null where there is none.</summary>
    public double? Accuracy => Unseen?.Accuracy;

    /// <summary>95 % Wilson interval of that [low, high]; null where there is none.</summary>
    public IReadOnlyList<double>? AccuracyInterval => Unseen?.AccuracyInterval;

    /// <summary>Whether the model file says which images it was trained on; where not, all count as unseen.</summary>
    public required bool TrainingImagesKnown { get; init; }

    /// <summary>The figures of the images that it was not trained on; null where there is none.</summary>
    public required EvaluationFigures? Unseen { get; init; }

    /// <summary>The figures of the images that it was trained on; null where there is none.</summary>
    public required EvaluationFigures? Seen { get; init; }

    /// <summary>What a reader of the figures should know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Images that were not used, and why.</summary>
    public required IReadOnlyList<RejectedImage> Rejected { get; init; }

    /// <summary>Images per second through decoding, preprocessing and the graph, on all workers.</summary>
    public required double ImagesPerSecond { get; init; }

    /// <summary>Wall time of the whole job in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>The classes; the index is the label id.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>What the model says of each image used, in the order of the data set.</summary>
    [JsonIgnore]
    public IReadOnlyList<EvaluatedImage> Predictions { get; init; } = [];
}

/// <summary>What a model says of one labelled image.</summary>
/// <param name="File">The image.</param>
/// <param name="Truth">Its class.</param>
/// <param name="Seen">Whether the model was trained on it; null where the model file does not say.</param>
/// <param name="Probabilities">Probability of each class [classes].</param>
public sealed record EvaluatedImage(string File, string Truth, bool? Seen, ReadOnlyMemory<float> Probabilities);
