namespace MlNetTransfer.Evaluation;

/// <summary>A closed interval.</summary>
/// <param name="Low">Lower end, included.</param>
/// <param name="High">Upper end, included.</param>
public readonly record struct Interval(double Low, double High);
