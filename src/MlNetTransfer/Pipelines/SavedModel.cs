using MlNetTransfer.Models;

namespace MlNetTransfer.Pipelines;

/// <summary>A model file that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Sha256">SHA-256 of the file, hexadecimal.</param>
/// <param name="Parity">How far it agrees with the chain on real images.</param>
public sealed record SavedModel(string Path, string Sha256, ParityRecord Parity);
