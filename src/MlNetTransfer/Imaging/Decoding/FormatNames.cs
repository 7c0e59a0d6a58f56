namespace MlNetTransfer.Imaging.Decoding;

/// <summary>Formats as people write them.</summary>
internal static class FormatNames
{
    public static string Of(ImageFormat format) =>
        format switch
        {
            ImageFormat.WebP => "WebP",
            _ => format.ToString().ToUpperInvariant(),
        };
}
