namespace MlNetTransfer.Backbones;

/// <summary>Remembers a graph's row for an image, by the image's content. Thread-safe.</summary>
public interface IRowCache
{
    /// <summary>Looks an image up.</summary>
    /// <param name="image">SHA-256 of the image file's bytes [32].</param>
    /// <param name="row">Filled when found [width].</param>
    /// <returns>Whether the row was found whole.</returns>
    bool TryRead(ReadOnlySpan<byte> image, Span<float> row);

    /// <summary>Stores an image's row; does nothing where it is already stored.</summary>
    /// <param name="image">SHA-256 of the image file's bytes [32].</param>
    /// <param name="row">The row [width].</param>
    void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row);
}
