namespace MlNetTransfer.Datasets;

/// <summary>An image that is in memory already.</summary>
/// <param name="Bytes">The encoded image, as a file would hold it; not copied, so it must not change while it is in
/// use.</param>
public sealed record MemoryLocation(ReadOnlyMemory<byte> Bytes) : ImageLocation;
