using System.Buffers.Binary;

namespace MlNetTransfer.Hosting;

/// <summary>
/// A small image in memory that every model can be tried on: a BMP of 16 x 16 pixels with a ramp in each channel.
/// </summary>
internal static class WarmUpImage
{
    private const int Side = 16,
        Header = 54;

    public static ReadOnlyMemory<byte> Bytes { get; } = Make();

    private static byte[] Make()
    {
        var file = new byte[Header + 3 * Side * Side];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), Header);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), Side);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), Side);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(28), 24);
        for (int i = 0; i < Side * Side; i++)
        {
            file[Header + 3 * i] = (byte)i;
            file[Header + 3 * i + 1] = (byte)(255 - i);
            file[Header + 3 * i + 2] = (byte)(i % Side * Side);
        }

        return file;
    }
}
