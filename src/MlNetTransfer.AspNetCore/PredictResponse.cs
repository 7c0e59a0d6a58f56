using System.Text.Json.Serialization;
using MlNetTransfer.Hosting;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.AspNetCore;

/// <summary>The answer to a request: an entry for each image, in the order they were sent.</summary>
/// <param name="Predictions">An entry for each image.</param>
public sealed record PredictResponse(IReadOnlyList<ImagePrediction> Predictions);

/// <summary>
/// What a model says of one image of a request, or why it says nothing. Members that are null are left out.
/// </summary>
public sealed record ImagePrediction
{
    /// <summary>The file name that the image was sent with; null where there was none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Name { get; init; }

    /// <summary>Why there is no answer; null where there is one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImageError? Error { get; init; }

    /// <summary>The likeliest class.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Label { get; init; }

    /// <summary>Its calibrated probability, in [0, 1].</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? Probability { get; init; }

    /// <summary>The likeliest classes, falling.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LabelProbability>? Top { get; init; }

    /// <summary>
    /// Whether the model is not sure: by the request's threshold, else by what the model file promises.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Abstained { get; init; }

    /// <summary>The classes that come into question, likeliest first.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? PredictionSet { get; init; }

    /// <summary>Whether the image is unlike all training images.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Unknown { get; init; }

    /// <summary>How unlike, at least 0, the threshold being 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? UnknownScore { get; init; }

    /// <summary>Which model file said it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ModelVersion? Model { get; init; }

    internal static ImagePrediction Of(string? name, TransferPrediction found) =>
        new()
        {
            Name = name,
            Label = found.Label,
            Probability = found.Probability,
            Top = found.Top,
            Abstained = found.Abstained,
            PredictionSet = found.PredictionSet,
            Unknown = found.Unknown,
            UnknownScore = found.UnknownScore,
            Model = found.Model,
        };
}

/// <summary>Why one image of several has no answer.</summary>
/// <param name="Status">The status that a request with this image alone would have: 413 or 422.</param>
/// <param name="Detail">What is wrong with the image.</param>
public sealed record ImageError(int Status, string Detail);

/// <summary>A model that is served.</summary>
/// <param name="Name">Its name in addresses.</param>
/// <param name="State">Whether it answers.</param>
/// <param name="Labels">Its classes.</param>
/// <param name="Version">Which file; null where none is served.</param>
/// <param name="LoadedAt">When it was loaded; null where none is.</param>
/// <param name="Drift">How like the training images the images of late are; null where that is not known.</param>
/// <param name="Candidate">How its candidate does; null where it has none.</param>
public sealed record ServedModel(
    string Name,
    string State,
    IReadOnlyList<string> Labels,
    ModelVersion? Version,
    DateTimeOffset? LoadedAt,
    DriftStatus? Drift,
    CandidateStatus? Candidate
)
{
    internal static ServedModel Of(TransferModelStatus status) =>
        new(
            status.Name,
            status.State.ToString(),
            status.Labels,
            status.Version,
            status.LoadedAt,
            status.Drift,
            status.Candidate
        );
}

/// <summary>The models of a server.</summary>
/// <param name="Models">In the order of their registration.</param>
public sealed record ServedModels(IReadOnlyList<ServedModel> Models);
