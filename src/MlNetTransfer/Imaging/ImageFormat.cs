namespace MlNetTransfer.Imaging;

/// <summary>The image formats that are decoded, told apart by the file's first bytes and never by its name.</summary>
public enum ImageFormat
{
    /// <summary>JPEG, baseline or progressive; grey, RGB or CMYK.</summary>
    Jpeg,

    /// <summary>PNG, any bit depth.</summary>
    Png,

    /// <summary>GIF; the first frame.</summary>
    Gif,

    /// <summary>WebP; the first frame.</summary>
    WebP,

    /// <summary>TIFF; the first page.</summary>
    Tiff,

    /// <summary>AVIF: a HEIF container with AV1 pixels.</summary>
    Avif,

    /// <summary>Windows bitmap, uncompressed.</summary>
    Bmp,
}
