using System.Buffers.Binary;

namespace MlNetTransfer.Onnx.Torch.Script;

/// <summary>
/// The checksum of zip entries: CRC-32 of ISO 3309, polynomial 0xEDB88320 reflected, eight bytes at a time (slicing by
/// 8; Kounavis and Berry, 2005).
/// </summary>
internal static class Crc32
{
    private static readonly uint[] Tables = MakeTables();

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        uint[] t = Tables;
        while (bytes.Length >= 8)
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ crc,
                high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc =
                t[0x700 | (low & 0xFF)]
                ^ t[0x600 | ((low >> 8) & 0xFF)]
                ^ t[0x500 | ((low >> 16) & 0xFF)]
                ^ t[0x400 | (low >> 24)]
                ^ t[0x300 | (high & 0xFF)]
                ^ t[0x200 | ((high >> 8) & 0xFF)]
                ^ t[0x100 | ((high >> 16) & 0xFF)]
                ^ t[high >> 24];
            bytes = bytes[8..];
        }

        foreach (byte b in bytes)
            crc = t[(crc ^ b) & 0xFF] ^ (crc >> 8);
        return ~crc;
    }

    /// <summary>Table k, at 256·k, advances a byte through k more zero bytes.</summary>
    private static uint[] MakeTables()
    {
        var tables = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
            tables[i] = crc;
        }

        for (int i = 256; i < tables.Length; i++)
            tables[i] = tables[tables[i - 256] & 0xFF] ^ (tables[i - 256] >> 8);
        return tables;
    }
}
