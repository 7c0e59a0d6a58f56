using System.Buffers.Binary;
using System.Text;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Finds files that were cut off, from the lengths that the containers themselves state. The decoders tell too late, in
/// words that name no cause (libpng), or not at all (libtiff on uncompressed strips).
/// </summary>
internal static class FileStructure
{
    /// <exception cref="ImageRejectedException">The container says that there is more than the file holds.</exception>
    public static void CheckComplete(ReadOnlySpan<byte> file, ImageFormat format)
    {
        switch (format)
        {
            case ImageFormat.Png:
                CheckPng(file);
                break;
            case ImageFormat.WebP:
                CheckWebP(file);
                break;
            case ImageFormat.Jpeg:
                JpegScans.CheckPresent(file);
                break;
            case ImageFormat.Tiff:
                TiffDirectory.CheckComplete(file);
                break;
        }
    }

    public static ImageRejectedException Truncated(ImageFormat format, string place, long needed, long length) =>
        new(
            FormattableString.Invariant(
                $"truncated {FormatNames.Of(format)}: {place} needs {needed} bytes, the file has {length}"
            )
        );

    /// <summary>Chunks up to IEND (PNG specification, section 5): length, name, data, checksum.</summary>
    private static void CheckPng(ReadOnlySpan<byte> file)
    {
        const int signature = 8,
            frame = 12;
        for (long position = signature; ; )
        {
            if (position + frame > file.Length)
                throw Truncated(ImageFormat.Png, "a chunk header", position + frame, file.Length);
            ReadOnlySpan<byte> chunk = file[(int)position..];
            ReadOnlySpan<byte> name = chunk.Slice(4, 4);
            if (name.ContainsAnyExceptInRange((byte)'A', (byte)'z'))
                throw new ImageRejectedException($"damaged PNG: no chunk name at byte {position + 4}");
            long end = position + frame + BinaryPrimitives.ReadUInt32BigEndian(chunk);
            if (end > file.Length)
                throw Truncated(ImageFormat.Png, $"chunk {Encoding.ASCII.GetString(name)}", end, file.Length);
            if (name.SequenceEqual("IEND"u8))
                return;
            position = end;
        }
    }

    /// <summary>The RIFF header's length counts what follows it (WebP container specification).</summary>
    private static void CheckWebP(ReadOnlySpan<byte> file)
    {
        long needed = 8 + (long)BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
        if (needed > file.Length)
            throw Truncated(ImageFormat.WebP, "the RIFF header", needed, file.Length);
    }
}

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
        if (file.Length > 2 && file[0] == 'P' && file[1] is >= (byte)'1' and <= (byte)'7' && file[2] is 10 or 13 or 32)
            return "PBM, PGM and PPM images are not decoded" + Decoded;
        if (file.Length > 2 && file[0] == 10 && file[1] <= 5 && file[2] == 1)
            return "PCX images are not decoded" + Decoded;
        if (file.StartsWith((ReadOnlySpan<byte>)[0x01, 0xDA]))
            return "SGI images are not decoded" + Decoded;
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
            return "not an image: a web page or XML";
        if (file.IndexOfAnyExcept((byte)0) < 0)
            return "not an image: nothing but zero bytes";
        // What the file holds is not shown: a list names any file that its reader may open.
        return "not an image of a known format; expected JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP";
    }

    private static bool At(ReadOnlySpan<byte> file, int offset, ReadOnlySpan<byte> magic) =>
        file.Length >= offset + magic.Length && file.Slice(offset, magic.Length).SequenceEqual(magic);

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

/// <summary>
/// The first directory of a TIFF file (TIFF 6.0, section 2) or BigTIFF, as far as it says where the pixels are.
/// </summary>
internal readonly ref struct TiffDirectory
{
    private const int StripOffsets = 273,
        StripByteCounts = 279,
        TileOffsets = 324,
        TileByteCounts = 325;
    private readonly ReadOnlySpan<byte> file;
    private readonly bool bigEndian,
        big;

    private TiffDirectory(ReadOnlySpan<byte> file)
    {
        this.file = file;
        bigEndian = file[0] == 'M';
        big = file[2] == '+' || file[3] == '+';
    }

    private int WordBytes => big ? 8 : 4;

    private int EntryBytes => big ? 20 : 12;

    /// <exception cref="ImageRejectedException">The directory or a strip or tile of pixels lies beyond the end of the
    /// file.</exception>
    public static void CheckComplete(ReadOnlySpan<byte> file) => new TiffDirectory(file).Check();

    private void Check()
    {
        ulong directory = Read(big ? 8UL : 4UL, WordBytes, "the header");
        int countBytes = big ? 8 : 2;
        ulong entries = Read(directory, countBytes, "the directory");
        ulong first = directory + (ulong)countBytes;
        if (entries > (ulong)file.Length)
            entries = 0;
        Require(first, entries * (ulong)EntryBytes, "the directory");
        ulong offsets = 0,
            counts = 0;
        for (ulong i = 0; i < entries; i++)
        {
            ulong entry = first + (i * (ulong)EntryBytes);
            int tag = (int)Read(entry, 2, "a tag");
            if (tag is StripOffsets or TileOffsets)
                offsets = entry;
            if (tag is StripByteCounts or TileByteCounts)
                counts = entry;
        }
        if (offsets != 0 && counts != 0)
            CheckBlocks(offsets, counts);
    }

    private void CheckBlocks(ulong offsets, ulong counts)
    {
        ulong blocks = Math.Min(Read(offsets + 4, WordBytes, "a tag"), Read(counts + 4, WordBytes, "a tag"));
        for (ulong i = 0; i < blocks; i++)
            Require(Value(offsets, i), Value(counts, i), "a strip or tile of pixels");
    }

    /// <summary>
    /// Element of an entry's array: types 3 (16 bits), 4 (32) and 16 (64); short arrays lie in the entry itself.
    /// </summary>
    private ulong Value(ulong entry, ulong index)
    {
        int bytes = Read(entry + 2, 2, "a tag") switch
        {
            3 => 2,
            4 => 4,
            16 => 8,
            _ => 0,
        };
        if (bytes == 0)
            return 0;
        ulong count = Read(entry + 4, WordBytes, "a tag"),
            place = entry + 4 + (ulong)WordBytes;
        if (count > (ulong)(WordBytes / bytes))
            place = Read(place, WordBytes, "a tag");
        return Read(place + (index * (ulong)bytes), bytes, "a tag");
    }

    private ulong Read(ulong offset, int bytes, string what)
    {
        Require(offset, (ulong)bytes, what);
        ReadOnlySpan<byte> value = file.Slice((int)offset, bytes);
        return bytes switch
        {
            2 => bigEndian
                ? BinaryPrimitives.ReadUInt16BigEndian(value)
                : BinaryPrimitives.ReadUInt16LittleEndian(value),
            4 => bigEndian
                ? BinaryPrimitives.ReadUInt32BigEndian(value)
                : BinaryPrimitives.ReadUInt32LittleEndian(value),
            _ => bigEndian
                ? BinaryPrimitives.ReadUInt64BigEndian(value)
                : BinaryPrimitives.ReadUInt64LittleEndian(value),
        };
    }

    private void Require(ulong offset, ulong bytes, string what)
    {
        ulong length = (ulong)file.Length;
        if (offset > length || bytes > length - offset)
            throw FileStructure.Truncated(
                ImageFormat.Tiff,
                what,
                (long)Math.Min(offset, long.MaxValue / 2) + (long)Math.Min(bytes, long.MaxValue / 2),
                file.Length
            );
    }
}
