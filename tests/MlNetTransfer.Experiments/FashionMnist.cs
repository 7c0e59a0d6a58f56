using System.IO.Compression;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Debian's dataset-fashion-mnist: the first images of its training and test files, as grey bitmaps in train and test
/// folders.
/// </summary>
internal static class FashionMnist
{
    private const string Root = "/usr/share/datasets/fashion-mnist";
    private const int Side = 28;
    private static readonly string[] Classes =
    [
        "T-shirt",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];

    public static void Write(string folder, int train, int test)
    {
        if (!Directory.Exists(Root))
            throw new TransferException($"'{Root}' is missing: install Debian's package dataset-fashion-mnist.");
        Write(Path.Combine(folder, "train"), "train", train);
        Write(Path.Combine(folder, "test"), "t10k", test);
    }

    private static void Write(string folder, string name, int count)
    {
        byte[] images = Read($"{name}-images-idx3-ubyte.gz", 16, count * Side * Side),
            labels = Read($"{name}-labels-idx1-ubyte.gz", 8, count);
        foreach (string c in Classes)
            Directory.CreateDirectory(Path.Combine(folder, c));
        for (int i = 0; i < count; i++)
            File.WriteAllBytes(
                Path.Combine(folder, Classes[labels[i]], $"{i:d5}.bmp"),
                Bitmap(images.AsSpan(i * Side * Side, Side * Side))
            );
    }

    private static byte[] Read(string file, int header, int length)
    {
        using var stream = new GZipStream(File.OpenRead(Path.Combine(Root, file)), CompressionMode.Decompress);
        var bytes = new byte[header + length];
        stream.ReadExactly(bytes);
        return bytes[header..];
    }

    /// <summary>An 8-bit grey bitmap; a row of 28 bytes needs no padding.</summary>
    private static byte[] Bitmap(ReadOnlySpan<byte> pixels)
    {
        const int start = 54 + 1024;
        var file = new byte[start + Side * Side];
        using var writer = new BinaryWriter(new MemoryStream(file));
        writer.Write("BM"u8);
        writer.Write(file.Length);
        writer.Write(0);
        writer.Write(start);
        writer.Write(40);
        writer.Write(Side);
        writer.Write(Side);
        writer.Write((short)1);
        writer.Write((short)8);
        writer.BaseStream.Position = 54;
        for (int g = 0; g < 256; g++)
            writer.Write(g | g << 8 | g << 16);
        for (int y = Side - 1; y >= 0; y--)
            writer.Write(pixels.Slice(y * Side, Side));
        return file;
    }
}
