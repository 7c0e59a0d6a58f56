using System.Buffers.Binary;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Counts an archive's entries without making an object of each, so that an archive of a hundred million costs nothing
/// (APPNOTE 6.3.10, 4.3.12 to 4.3.16).
/// </summary>
internal static class ZipDirectory
{
    private const int EndLength = 22,
        LocatorLength = 20,
        HeaderLength = 46,
        MaxComment = ushort.MaxValue;

    /// <returns>The entries in the directory, at most one more than the limit; 0 where there is no directory.</returns>
    public static int CountEntries(FileStream file, int limit)
    {
        file.Position = FindDirectory(file);
        using var buffered = new BufferedStream(file, 1 << 16);
        Span<byte> header = stackalloc byte[HeaderLength];
        int count = 0;
        // The recorded number of entries may lie; the headers themselves cannot.
        while (
            count <= limit
            && buffered.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) == HeaderLength
            && BinaryPrimitives.ReadUInt32LittleEndian(header) == 0x02014B50
        )
        {
            count++;
            int rest =
                BinaryPrimitives.ReadUInt16LittleEndian(header[28..])
                + BinaryPrimitives.ReadUInt16LittleEndian(header[30..])
                + BinaryPrimitives.ReadUInt16LittleEndian(header[32..]);
            buffered.Seek(rest, SeekOrigin.Current);
        }

        return count;
    }

    private static long FindDirectory(FileStream file)
    {
        var tail = new byte[Math.Min(file.Length, EndLength + MaxComment + LocatorLength)];
        file.Position = file.Length - tail.Length;
        file.ReadExactly(tail);
        int end = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (end < 0 || tail.Length - end < EndLength)
            return file.Length;
        ReadOnlySpan<byte> record = tail.AsSpan(end);
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(record[16..]);
        bool is64 =
            offset == uint.MaxValue
            || BinaryPrimitives.ReadUInt16LittleEndian(record[4..]) == ushort.MaxValue
            || BinaryPrimitives.ReadUInt16LittleEndian(record[10..]) == ushort.MaxValue;
        if (!is64 || end < LocatorLength || !tail.AsSpan(end - LocatorLength).StartsWith("PK\u0006\u0007"u8))
            return Math.Min(offset, file.Length);
        Span<byte> end64 = stackalloc byte[56];
        long position = BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - LocatorLength + 8));
        if (position < 0 || position > file.Length - end64.Length)
            return file.Length;
        file.Position = position;
        file.ReadExactly(end64);
        return Math.Clamp(BinaryPrimitives.ReadInt64LittleEndian(end64[48..]), 0, file.Length);
    }
}
