namespace MlNetTransfer.Datasets;

/// <summary>An image in a zip archive. It is inflated into memory when it is read, never to the disk.</summary>
/// <param name="ZipPath">The archive.</param>
/// <param name="EntryName">The entry's name as the archive has it; of several entries with that name, the
/// first.</param>
public sealed record ZipEntryLocation(string ZipPath, string EntryName) : ImageLocation;
