using System.Buffers.Binary;
using System.Text;

namespace MlNetTransfer.Onnx.Torch.Script;

/// <summary>
/// Writes a zip archive of stored entries whose bytes depend on nothing but their content: no clock, no platform
/// (APPNOTE 6.3.10).
/// </summary>
/// <param name="stream">Where to; it need not seek.</param>
internal sealed class ZipWriter(Stream stream)
{
    /// <summary>1 January 1980, the first day that the format knows.</summary>
    private const ushort FirstDay = (1 << 5) | 1;

    private readonly List<(byte[] Name, uint Crc, uint Length, uint Offset)> entries = [];
    private long position;

    /// <summary>Adds an entry.</summary>
    /// <exception cref="GraphException">The archive would exceed 4 GiB.</exception>
    public void Add(string name, ReadOnlySpan<byte> content)
    {
        byte[] path = Encoding.UTF8.GetBytes(name);
        if (position + content.Length > uint.MaxValue - (1 << 20))
            throw new GraphException("The archive would exceed 4 GiB. Export a smaller model.");
        (byte[], uint Crc, uint Length, uint Offset) entry = (
            path,
            Crc32.Of(content),
            (uint)content.Length,
            (uint)position
        );
        entries.Add(entry);
        Span<byte> header = stackalloc byte[30];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034B50);
        Common(header[4..], entry.Crc, entry.Length, path.Length);
        Write(header);
        Write(path);
        Write(content);
    }

    /// <summary>Writes the directory; nothing can be added after.</summary>
    public void Finish()
    {
        long start = position;
        Span<byte> header = stackalloc byte[46];
        foreach ((byte[] name, uint crc, uint length, uint offset) in entries)
        {
            header.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(header, 0x02014B50);
            BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 20);
            Common(header[6..], crc, length, name.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(header[42..], offset);
            Write(header);
            Write(name);
        }

        long end = position;
        if (entries.Count > ushort.MaxValue - 1)
            throw new GraphException(
                $"The archive would have {entries.Count:N0} entries; {ushort.MaxValue - 1:N0} are possible."
            );
        Span<byte> record = stackalloc byte[22];
        record.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(record, 0x06054B50);
        BinaryPrimitives.WriteUInt16LittleEndian(record[8..], (ushort)entries.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(record[10..], (ushort)entries.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)(end - start));
        BinaryPrimitives.WriteUInt32LittleEndian(record[16..], (uint)start);
        Write(record);
    }

    /// <summary>
    /// The fields that local headers and the directory share, from "version needed" to the length of the extra field.
    /// </summary>
    private static void Common(Span<byte> fields, uint crc, uint length, int nameLength)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(fields, 20);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[2..], 1 << 11);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[4..], 0);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[8..], FirstDay);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[10..], crc);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[14..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[18..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[22..], (ushort)nameLength);
        BinaryPrimitives.WriteUInt16LittleEndian(fields[24..], 0);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        position += bytes.Length;
    }
}
