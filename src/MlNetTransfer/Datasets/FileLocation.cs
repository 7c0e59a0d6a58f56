namespace MlNetTransfer.Datasets;

/// <summary>An image that is a file of its own.</summary>
/// <param name="Path">The file.</param>
public sealed record FileLocation(string Path) : ImageLocation;
