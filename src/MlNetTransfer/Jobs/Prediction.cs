namespace MlNetTransfer.Jobs;

/// <summary>What a model says of one image.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling.</param>
public sealed record Prediction(string File, string Label, float Probability, IReadOnlyList<LabelProbability> Top);
