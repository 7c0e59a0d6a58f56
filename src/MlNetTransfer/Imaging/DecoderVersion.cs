using System.Runtime.InteropServices;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging;

/// <summary>
/// Names the code between an image file and a tensor, so that a cache can tell results of one version from those of
/// another.
/// </summary>
public static partial class DecoderVersion
{
    /// <summary>Raised whenever a change of ours moves a pixel.</summary>
    private const int Resize = 1;

    /// <summary>
    /// Raised whenever an image that was taken is rejected: what was kept of it must not be used any more.
    /// </summary>
    private const int Rules = 2;

    /// <summary>
    /// Versions of the decoder, of our resize and of the rules for rejection, e.g. "libvips 8.18.7, resize 1, rules 2".
    /// </summary>
    public static string Text { get; } = Read();

    private static string Read()
    {
        VipsLibrary.EnsureStarted();
        return $"libvips {vips_version(0)}.{vips_version(1)}.{vips_version(2)}, resize {Resize}, rules {Rules}";
    }

    [LibraryImport(VipsNative.Vips)]
    private static partial int vips_version(int part);
}
