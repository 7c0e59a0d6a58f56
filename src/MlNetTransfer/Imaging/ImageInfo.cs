namespace MlNetTransfer.Imaging;

/// <summary>What an image's header says.</summary>
/// <param name="Format">The format, from the first bytes.</param>
/// <param name="Width">Columns in pixels as stored, before <paramref name="Orientation"/>.</param>
/// <param name="Height">Rows in pixels as stored, before <paramref name="Orientation"/>.</param>
/// <param name="Orientation">EXIF orientation, 1 to 8; 1 is upright, 5 to 8 swap width and height when shown.</param>
/// <param name="HoldsWholeFrame">Whether the decoder must hold all pixels at once, so that
/// <see cref="ImageLimits.MaxWholeFramePixels"/> applies.</param>
public sealed record ImageInfo(ImageFormat Format, int Width, int Height, int Orientation, bool HoldsWholeFrame);
