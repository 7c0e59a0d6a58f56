using System.Buffers.Binary;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Writes pixels as an uncompressed 24-bit Windows bitmap: the form in which decoded pixels enter the one path that all
/// images take.
/// </summary>
internal static class BmpEncoder
{
    private const int HeaderSize = 54;

    /// <summary>Bytes of the file.</summary>
    public static long Length(RgbImage image) => HeaderSize + ((long)RowBytes(image.Width) * image.Height);

    /// <param name="image">The pixels.</param>
    /// <param name="file">Receives the file [Length].</param>
    public static void Write(RgbImage image, Span<byte> file)
    {
        int rowBytes = RowBytes(image.Width);
        Span<byte> header = file[..HeaderSize];
        header.Clear();
        "BM"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[2..], file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header[10..], HeaderSize);
        BinaryPrimitives.WriteInt32LittleEndian(header[14..], 40);
        BinaryPrimitives.WriteInt32LittleEndian(header[18..], image.Width);
        BinaryPrimitives.WriteInt32LittleEndian(header[22..], -image.Height);
        BinaryPrimitives.WriteInt16LittleEndian(header[26..], 1);
        BinaryPrimitives.WriteInt16LittleEndian(header[28..], 24);
        BinaryPrimitives.WriteInt32LittleEndian(header[34..], file.Length - HeaderSize);
        ReadOnlySpan<byte> pixels = image.Pixels.Span;
        for (int y = 0; y < image.Height; y++)
        {
            Span<byte> row = file.Slice(HeaderSize + (y * rowBytes), rowBytes);
            ReadOnlySpan<byte> source = pixels.Slice(y * image.Width * 3, image.Width * 3);
            for (int x = 0; x < source.Length; x += 3)
                (row[x], row[x + 1], row[x + 2]) = (source[x + 2], source[x + 1], source[x]);
            row[source.Length..].Clear();
        }
    }

    private static int RowBytes(int width) => checked(((width * 3) + 3) & ~3);
}
