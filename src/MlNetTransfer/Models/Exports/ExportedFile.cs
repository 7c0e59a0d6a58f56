namespace MlNetTransfer.Models.Exports;

/// <summary>A file that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">SHA-256 of its content, hexadecimal.</param>
public sealed record ExportedFile(string Path, long Bytes, string Sha256);
