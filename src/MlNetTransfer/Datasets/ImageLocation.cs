namespace MlNetTransfer.Datasets;

/// <summary>
/// Where an image is: <see cref="FileLocation"/>, <see cref="ZipEntryLocation"/>, <see cref="MemoryLocation"/>,
/// <see cref="StreamLocation"/> or <see cref="PixelsLocation"/>; there are no others.
/// </summary>
public abstract record ImageLocation
{
    private protected ImageLocation() { }
}
