using System.Buffers.Binary;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Finds JPEG files whose pixels are missing although the end mark is there. libjpeg fills what is missing with grey
/// and warns; of the last row of blocks libvips does not hear the warning.
/// </summary>
internal static class JpegScans
{
    private const byte StartOfScan = 0xDA,
        EndOfImage = 0xD9;

    /// <summary>
    /// Refuses a baseline file (ITU-T T.81, SOF0 and SOF1) whose scans hold fewer bits than its blocks need at the
    /// least: two each, a code for the first coefficient and one for the end of the block.
    /// </summary>
    /// <exception cref="ImageRejectedException">There are fewer.</exception>
    public static void CheckPresent(ReadOnlySpan<byte> file)
    {
        long blocks = 0,
            bytes = 0;
        for (int at = 2; at + 4 <= file.Length; )
        {
            // What does not look as it should is left to the decoder.
            if (file[at] != 0xFF)
                return;
            byte marker = file[at + 1];
            if (marker == 0xFF)
            {
                at++;
                continue;
            }

            if (marker == EndOfImage)
                break;
            if (marker is 0 or 1 or (>= 0xD0 and <= 0xD8))
                return;
            int length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            if (length < 2 || at + 2 + length > file.Length)
                return;
            ReadOnlySpan<byte> segment = file.Slice(at + 4, length - 2);
            at += 2 + length;
            if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC))
            {
                if (marker > 0xC1 || segment.Length < 6 || segment.Length < 6 + 3 * segment[5])
                    return;
                blocks = Blocks(segment);
            }
            else if (marker == StartOfScan)
            {
                int end = EndOfScan(file, at);
                bytes += end - at;
                at = end;
            }
        }

        if (blocks > 0 && 8 * bytes < 2 * blocks)
            throw FileStructure.Truncated(
                ImageFormat.Jpeg,
                FormattableString.Invariant($"the picture of {blocks} blocks"),
                (2 * blocks + 7) / 8,
                bytes
            );
    }

    /// <summary>Blocks of 8 x 8 samples that the components have at the least.</summary>
    private static long Blocks(ReadOnlySpan<byte> frame)
    {
        int height = BinaryPrimitives.ReadUInt16BigEndian(frame[1..]),
            width = BinaryPrimitives.ReadUInt16BigEndian(frame[3..]),
            mostAcross = 1,
            mostDown = 1;
        for (int c = 0; c < frame[5]; c++)
        {
            mostAcross = Math.Max(mostAcross, frame[7 + (3 * c)] >> 4);
            mostDown = Math.Max(mostDown, frame[7 + (3 * c)] & 15);
        }

        long blocks = 0;
        for (int c = 0; c < frame[5]; c++)
        {
            int across = frame[7 + 3 * c] >> 4,
                down = frame[7 + 3 * c] & 15;
            blocks += Ceiling((long)width * across, 8 * mostAcross) * Ceiling((long)height * down, 8 * mostDown);
        }

        return blocks;
    }

    private static long Ceiling(long value, long by) => (value + by - 1) / by;

    /// <summary>Where the next marker begins that is neither a stuffed byte nor a restart.</summary>
    private static int EndOfScan(ReadOnlySpan<byte> file, int at)
    {
        while (at + 1 < file.Length)
        {
            int next = file[at..].IndexOf((byte)0xFF);
            if (next < 0 || at + next + 1 >= file.Length)
                return file.Length;
            at += next;
            if (file[at + 1] is not (0 or 0xFF or (>= 0xD0 and <= 0xD7)))
                return at;
            at += file[at + 1] == 0xFF ? 1 : 2;
        }

        return file.Length;
    }
}
