namespace MlNetTransfer.Imaging;

/// <summary>
/// What an untrusted image may cost. Checked from the file's length and header, before any pixel is decoded.
/// </summary>
public sealed record ImageLimits
{
    /// <summary>Largest file in bytes; in [1, 2³⁰]. Default 64 MiB.</summary>
    public int MaxBytes
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 64 << 20;

    /// <summary>Largest width x height in pixels; in [1, 2³⁰]. Default 100 million.</summary>
    public int MaxPixels
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 100_000_000;

    /// <summary>
    /// Largest width x height of an image whose decoder must hold the whole frame (interlaced PNG, progressive JPEG,
    /// AVIF ...). Default 50 million.
    /// </summary>
    public int MaxWholeFramePixels
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 50_000_000;
}
