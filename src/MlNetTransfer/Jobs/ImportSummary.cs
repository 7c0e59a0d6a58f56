namespace MlNetTransfer.Jobs;

/// <summary>What an import wrote.</summary>
/// <param name="Model">The file.</param>
/// <param name="ModelSha256">SHA-256 of the file, hexadecimal.</param>
/// <param name="TrainingDigest">SHA-256 over the old digest and the weights, hexadecimal.</param>
/// <param name="Tensors">Tensors in the file of weights.</param>
public sealed record ImportSummary(string Model, string ModelSha256, string TrainingDigest, int Tensors);
