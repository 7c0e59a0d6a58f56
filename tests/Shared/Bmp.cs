using System.Buffers.Binary;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Makes plain 24-bit BMP files.</summary>
internal static class Bmp
{
    /// <summary>A square of one colour.</summary>
    public static byte[] Plain(byte red, byte green, byte blue, int size = 16)
    {
        int stride = (size * 3 + 3) / 4 * 4;
        var file = new byte[54 + stride * size];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), 54);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), size);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), size);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(28), 24);
        for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            new[] { blue, green, red }.CopyTo(file, 54 + y * stride + 3 * x);
        return file;
    }
}
