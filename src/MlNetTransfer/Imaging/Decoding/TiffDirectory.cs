using System.Buffers.Binary;

namespace MlNetTransfer.Imaging.Decoding;

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
