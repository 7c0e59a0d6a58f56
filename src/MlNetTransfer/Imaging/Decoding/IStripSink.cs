namespace MlNetTransfer.Imaging.Decoding;

/// <summary>Takes the pixels of one image, strip by strip from top to bottom.</summary>
internal unsafe interface IStripSink
{
    /// <summary>Starts an image whose size, bands and orientation are known.</summary>
    /// <returns>The stored rectangle to be decoded; inside the image, not empty.</returns>
    (int Left, int Top, int Width, int Height) Begin(PixelSource source);

    /// <summary>Takes the next rows of the rectangle.</summary>
    /// <param name="strip">[rows × Width × channels]; 16 rows and 16 bytes more are readable, whatever they
    /// hold.</param>
    /// <param name="channels">1 (grey) or 3 (RGB).</param>
    /// <param name="rows">1 to 16.</param>
    void Push(byte* strip, int channels, int rows);
}
