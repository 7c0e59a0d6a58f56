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
