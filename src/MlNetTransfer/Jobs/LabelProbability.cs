namespace MlNetTransfer.Jobs;

/// <summary>A class and its probability, in [0, 1].</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">The probability.</param>
public sealed record LabelProbability(string Label, float Probability);
