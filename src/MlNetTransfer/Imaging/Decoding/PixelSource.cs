namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// An open image whose decoded 8-bit sRGB or grey pixels are read in strips from top to bottom. Reused for one image
/// after another.
/// </summary>
internal abstract unsafe class PixelSource : IDisposable
{
    /// <summary>Columns as stored, before <see cref="Orientation"/>.</summary>
    public int Width { get; protected set; }

    /// <summary>Rows as stored.</summary>
    public int Height { get; protected set; }

    /// <summary>
    /// Samples per pixel: grey (1), grey and alpha (2), RGB (3), RGB and alpha (4); more are RGB and samples to ignore.
    /// </summary>
    public int Bands { get; protected set; }

    /// <summary>EXIF orientation, 1 to 8; 1 is upright.</summary>
    public int Orientation { get; protected set; } = 1;

    /// <summary>Whether the decoder holds all pixels at once.</summary>
    public bool HoldsWholeFrame { get; protected set; }

    /// <summary>Whether a decoder's warnings are passed over; its errors never are.</summary>
    public bool ToleratesWarnings { get; set; } = true;

    /// <summary>Reads the header, no pixel; false when the decoder refuses.</summary>
    /// <param name="data">The encoded file [length]; must stay where it is until <see cref="Close"/>.</param>
    /// <param name="length">Bytes of the file.</param>
    /// <param name="format">What the first bytes say it is.</param>
    /// <exception cref="ImageRejectedException">The header names something that is not decoded.</exception>
    public abstract bool OpenHeader(byte* data, int length, ImageFormat format);

    /// <summary>
    /// Makes ready to read pixels; false when the decoder refuses. May shrink the image: sizes are those to be read
    /// from now on.
    /// </summary>
    /// <param name="target">Side in pixels of the square wanted in the end.</param>
    public abstract bool OpenPixels(int target);

    /// <summary>
    /// Decodes [rows × width × Bands] bytes; null when the decoder fails. Strips are asked for in order; rows may be
    /// skipped.
    /// </summary>
    public abstract byte* ReadStrip(int left, int top, int width, int rows);

    /// <summary>Lets go of the image; harmless when none is open.</summary>
    public abstract void Close();

    public abstract void Dispose();
}
