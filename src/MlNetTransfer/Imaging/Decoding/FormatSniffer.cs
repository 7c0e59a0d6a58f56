using System.Text;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>Tells what a file is from its first bytes.</summary>
internal static class FormatSniffer
{
    private const string Decoded = "; convert it to JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP";

    /// <exception cref="ImageRejectedException">Not a format that is decoded; the reason says what was
    /// found.</exception>
    public static ImageFormat Sniff(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]))
            return ImageFormat.Jpeg;
        if (file.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
            return ImageFormat.Png;
        if (file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8))
            return ImageFormat.Gif;
        if (file.StartsWith("RIFF"u8) && At(file, 8, "WEBP"u8))
            return ImageFormat.WebP;
        if (
            file.StartsWith("II*\0"u8)
            || file.StartsWith("MM\0*"u8)
            || file.StartsWith("II+\0"u8)
            || file.StartsWith("MM\0+"u8)
        )
            return ImageFormat.Tiff;
        if (file.StartsWith("BM"u8) && file.Length >= 18)
            return ImageFormat.Bmp;
        if (At(file, 4, "ftyp"u8))
            return SniffContainer(file);
        throw new ImageRejectedException(Refusal(file));
    }

    /// <summary>
    /// ISO base media files (ISO/IEC 14496-12): the brands, major and compatible, say what is inside.
    /// </summary>
    private static ImageFormat SniffContainer(ReadOnlySpan<byte> file)
    {
        ReadOnlySpan<byte> brands = file[8..Math.Clamp(file[3] | (file[2] << 8), 8, Math.Min(file.Length, 256))];
        if (HasBrand(brands, "avif"u8) || HasBrand(brands, "avis"u8))
            return ImageFormat.Avif;
        if (
            HasBrand(brands, "heic"u8)
            || HasBrand(brands, "heix"u8)
            || HasBrand(brands, "hevc"u8)
            || HasBrand(brands, "mif1"u8)
        )
            throw new ImageRejectedException(
                "HEIC images are not decoded (their HEVC pixels need a licensed decoder)" + Decoded
            );
        string brand = Encoding.Latin1.GetString(brands[..Math.Min(4, brands.Length)]);
        throw new ImageRejectedException($"not an image: an ISO media file (video?) of brand \"{Printable(brand)}\"");
    }

    private static bool HasBrand(ReadOnlySpan<byte> brands, ReadOnlySpan<byte> brand)
    {
        for (int i = 0; i + 4 <= brands.Length; i += 4)
        {
            if (brands.Slice(i, 4).SequenceEqual(brand))
                return true;
        }
        return false;
    }

    private static string Refusal(ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty)
            return "empty file: 0 bytes";
        if (file.StartsWith("%PDF"u8))
            return "PDF documents are not decoded" + Decoded;
        if (file.StartsWith("8BPS"u8))
            return "Photoshop files are not decoded" + Decoded;
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A]) || At(file, 4, "JXL "u8))
            return "JPEG XL images are not decoded" + Decoded;
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x4F, 0xFF, 0x51]) || At(file, 4, "jP  "u8))
            return "JPEG 2000 images are not decoded" + Decoded;
        if (file.StartsWith((ReadOnlySpan<byte>)[0, 0, 1, 0]))
            return "Windows icons are not decoded" + Decoded;
        if (file.StartsWith("PK\x03\x04"u8))
            return "not an image: a ZIP archive; unpack it";
        if (file.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
            return "not an image: a gzip file; unpack it";
        if (file.StartsWith("version https://git-lfs"u8))
            return "not an image: a Git LFS pointer; run 'git lfs pull'";
        ReadOnlySpan<byte> text = file[..Math.Min(file.Length, 1024)]
            .TrimStart((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF, (byte)' ', (byte)'\t', (byte)'\r', (byte)'\n']);
        if (text.StartsWith("<"u8) && text.IndexOf("<svg"u8) >= 0)
            return "SVG images are not decoded" + Decoded;
        if (text.StartsWith("<"u8))
            return $"not an image: a web page or XML that starts with \"{Start(text)}\"";
        if (file.IndexOfAnyExcept((byte)0) < 0)
            return "not an image: nothing but zero bytes";
        return $"not an image: starts with {Convert.ToHexString(file[..Math.Min(file.Length, 8)])} (\"{Start(file)}\")";
    }

    private static bool At(ReadOnlySpan<byte> file, int offset, ReadOnlySpan<byte> magic) =>
        file.Length >= offset + magic.Length && file.Slice(offset, magic.Length).SequenceEqual(magic);

    private static string Start(ReadOnlySpan<byte> file) =>
        Printable(Encoding.Latin1.GetString(file[..Math.Min(file.Length, 16)]));

    /// <summary>Safe in a one-line report: everything but printable ASCII becomes a dot.</summary>
    private static string Printable(string text) =>
        string.Create(
            text.Length,
            text,
            static (span, source) =>
            {
                for (int i = 0; i < span.Length; i++)
                    span[i] = source[i] is >= ' ' and <= '~' ? source[i] : '.';
            }
        );
}
