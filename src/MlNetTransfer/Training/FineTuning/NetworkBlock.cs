namespace MlNetTransfer.Training;

/// <summary>A piece of a network between two tensors that everything passes through.</summary>
/// <param name="Start">The tensor it begins at: the image for the first block.</param>
/// <param name="End">The tensor it ends at.</param>
/// <param name="Parameters">Names of the float32 initializers that can be trained, each in the lowest block that uses
/// it.</param>
public sealed record NetworkBlock(string Start, string End, IReadOnlyList<string> Parameters);
