using System.Buffers.Binary;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Makes plain 24-bit BMP files.</summary>
internal static class Bmp
{
    /// <summary>A square of one colour.</summary>
    public static byte[] Plain(byte red, byte green, byte blue, int size = 16) =>
        Of(size, size, (_, _) => (red, green, blue));

    /// <summary>A grey image.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="shade">The shade of each pixel, by its column and its row from the bottom.</param>
    public static byte[] Of(int width, int height, Func<int, int, int> shade) =>
        Of(
            width,
            height,
            (x, y) =>
            {
                byte grey = (byte)shade(x, y);
                return (grey, grey, grey);
            }
        );

    private static byte[] Of(int width, int height, Func<int, int, (byte Red, byte Green, byte Blue)> colour)
    {
        int stride = (width * 3 + 3) / 4 * 4;
        var file = new byte[54 + stride * height];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), 54);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), height);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(28), 24);
        for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
        {
            (byte red, byte green, byte blue) = colour(x, y);
            new[] { blue, green, red }.CopyTo(file, 54 + y * stride + 3 * x);
        }

        return file;
    }
}
