namespace MlNetTransfer.Hosting;

/// <summary>Which model answered.</summary>
/// <param name="Sha256">SHA-256 of the model file, hexadecimal.</param>
/// <param name="TrainingDigest">SHA-256 over all that training depended on, hexadecimal; equal for files trained
/// equally.</param>
public sealed record ModelVersion(string Sha256, string TrainingDigest);
