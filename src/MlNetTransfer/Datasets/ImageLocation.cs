namespace MlNetTransfer.Datasets;

/// <summary>Where an image's bytes are: <see cref="FileLocation"/>, <see cref="ZipEntryLocation"/> or <see cref="MemoryLocation"/>; there are no others.</summary>
public abstract record ImageLocation
{
    private protected ImageLocation()
    {
    }
}
