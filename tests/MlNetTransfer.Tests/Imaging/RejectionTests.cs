using System.Text;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

[TestClass]
public sealed class RejectionTests
{
    [TestMethod]
    [DataRow("", "empty file: 0 bytes")]
    [DataRow("%PDF-1.7", "PDF documents are not decoded")]
    [DataRow("<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG images are not decoded")]
    [DataRow("<!DOCTYPE html><html>", "not an image: a web page or XML")]
    [DataRow("version https://git-lfs.github.com/spec/v1\n", "not an image: a Git LFS pointer; run 'git lfs pull'")]
    [DataRow("root:x:0:0:root", "not an image of a known format; expected JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP")]
    [DataRow("P6\n4 4\n255\n", "PBM, PGM and PPM images are not decoded; convert it to")]
    [DataRow("P3 4 4 255 ", "PBM, PGM and PPM images are not decoded; convert it to")]
    [DataRow("\n\u0005\u0001\b", "PCX images are not decoded; convert it to")]
    [DataRow("\u0001\u00DA\0\u0001", "SGI images are not decoded; convert it to")]
    [DataRow("\0\0\0\u0018ftypheic\0\0\0\0mif1heic", "HEIC images are not decoded")]
    [DataRow("\0\0\0\u0014ftypisom\0\0\0\0isom", "not an image: an ISO media file (video?) of brand \"isom\"")]
    [DataRow("PK\u0003\u0004", "not an image: a ZIP archive; unpack it")]
    [DataRow("\0\0\0\0", "not an image: nothing but zero bytes")]
    public void Process_NotAnImage_SaysWhatWasFound(string content, string reason) =>
        StringAssert.StartsWith(Fixtures.Rejection(Encoding.Latin1.GetBytes(content)), reason);

    [TestMethod]
    public void Process_MoreBytesThanAllowed_NamesTheOption() =>
        Assert.AreEqual(
            "0 MiB (1075 bytes), the limit is 0 MiB; raise MaxBytes or shrink the image",
            Fixtures.Rejection(Fixtures.Read("orientation-1.jpg"), new ImageLimits { MaxBytes = 1074 })
        );

    /// <summary>
    /// Without its pixels a file has only grey to show; one row of blocks is what libvips gives no warning of.
    /// </summary>
    [TestMethod]
    [DataRow("orientation-1.jpg")]
    [DataRow("grey.jpg")]
    public void Process_JpegWithoutPixels_IsTruncated(string name)
    {
        byte[] whole = Fixtures.Read(name);
        int scan = whole.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]),
            header = 2 + ((whole[scan + 2] << 8) | whole[scan + 3]);
        byte[] without = [.. whole[..(scan + header)], 0xFF, 0xD9];
        StringAssert.StartsWith(Fixtures.Rejection(without), "truncated JPEG");
        // One row of blocks: the height stands in the frame header, two bytes before the width.
        int frame = without.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        (without[frame + 5], without[frame + 6]) = (0, 8);
        StringAssert.StartsWith(Fixtures.Rejection(without), "truncated JPEG: the picture of");
    }

    /// <summary>The header alone decides: the file holds no pixels for the size it claims.</summary>
    [TestMethod]
    public void Process_MorePixelsThanAllowed_IsRejectedByTheHeader()
    {
        byte[] png = WithPngSize(Fixtures.Read("rgb.png"), 14_000, 12_000);
        Assert.AreEqual(
            "168 megapixels (14000 x 12000), the limit is 100 megapixels; raise MaxPixels or shrink the image",
            Fixtures.Rejection(png)
        );
    }

    [TestMethod]
    public void Process_InterlacedOrProgressive_HasTheLowerLimit()
    {
        ImageLimits limits = new() { MaxWholeFramePixels = 1000 };
        StringAssert.StartsWith(
            Fixtures.Rejection(Fixtures.Read("interlaced.png"), limits),
            "0.0011 megapixels (41 x 28), the limit for an interlaced PNG, whose decoder holds the whole frame, is "
                + "0.001 megapixels; raise MaxWholeFramePixels"
        );
        StringAssert.Contains(Fixtures.Rejection(Fixtures.Read("progressive.jpg"), limits), "a progressive JPEG");
        StringAssert.Contains(Fixtures.Rejection(Fixtures.Read("lossless.avif"), limits), "AVIF");
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = 16 }, limits);
        preprocessor.Process(Fixtures.Read("rgb.png"), new float[768]);
    }

    [TestMethod]
    public void Process_LongestSide_IsBounded() =>
        StringAssert.StartsWith(
            Fixtures.Rejection(WithPngSize(Fixtures.Read("rgb.png"), 65_536, 1)),
            "65536 x 1 pixels, the longest side allowed is 65535"
        );

    [TestMethod]
    public void Process_AnyFixtureCutInTwo_IsRejectedAsTruncated()
    {
        foreach (string name in Fixtures.Good)
        {
            byte[] file = Fixtures.Read(name);
            string reason = Fixtures.Rejection(file.AsSpan(0, file.Length / 2));
            StringAssert.StartsWith(reason, "truncated ", $"{name}: {reason}");
        }
    }

    /// <summary>
    /// Whatever the values: those within 0 to 1 or 0 to 255 may be the dark part of something larger.
    /// </summary>
    [TestMethod]
    public void Process_TiffSamplesWithoutARange_AreRejectedNotShownBlackOrWhite()
    {
        using PillowFolder folder = Pillow.Run(
            """
            import struct
            from PIL import Image
            ramp = [i / 255 for i in range(256)]
            for name, top in (('unit', 1), ('bytes', 255), ('metres', 8848)):
                Image.frombytes('F', (16, 16), struct.pack('<256f', *[top * v for v in ramp])).save(f'{folder}/float-{name}.tif')
            Image.frombytes('I', (16, 16), struct.pack('<256i', *[int(100000 * v) for v in ramp])).save(f'{folder}/int.tif')
            Image.frombytes('I;16', (16, 16), struct.pack('<256H', *[257 * i for i in range(256)])).save(f'{folder}/good-16.tif')
            Image.frombytes('L', (16, 16), bytes(range(256))).save(f'{folder}/good-8.tif')
            """
        );
        foreach (string name in folder.Names("float-*.tif"))
            StringAssert.StartsWith(Fixtures.Rejection(folder.Read(name)), "TIFF with 32-bit float samples", name);
        StringAssert.StartsWith(Fixtures.Rejection(folder.Read("int.tif")), "TIFF with signed 32-bit integer samples");
        byte[] ramp = [.. Enumerable.Range(0, 256).SelectMany(i => Enumerable.Repeat((byte)i, 3))];
        foreach (string name in folder.Names("good-*.tif"))
            CollectionAssert.AreEqual(ramp, Fixtures.Pixels(folder.Read(name)), name);
    }

    /// <summary>
    /// The decoder fills the missing pixels with grey and only warns. Trifles that it warns of too are no reason: the
    /// pixels are all there.
    /// </summary>
    [TestMethod]
    public void Process_JpegWithoutItsPixels_IsRejectedAndOneWithTriflesIsNot()
    {
        using PillowFolder folder = Pillow.Run(
            """
            import random
            from PIL import Image
            random.seed(5)
            for size in (64, 300):
                image = Image.frombytes('RGB', (40, 40), random.randbytes(4800)).resize((size, size))
                for kind in ('baseline', 'progressive', 'grey'):
                    image.convert('L' if kind == 'grey' else 'RGB').save(f'{folder}/{size}-{kind}.jpg', quality=90, progressive=kind == 'progressive')
            """
        );
        foreach (string name in folder.Names("*.jpg"))
        {
            byte[] file = folder.Read(name);
            int scan = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]),
                pixels = scan + 2 + (file[scan + 2] << 8) + file[scan + 3];
            byte[] expected = Fixtures.Pixels(file);
            StringAssert.StartsWith(
                Fixtures.Rejection([.. file[..pixels], 0xFF, 0xD9]),
                "truncated JPEG",
                $"{name}, no pixels"
            );
            StringAssert.StartsWith(
                Fixtures.Rejection([.. file[..((pixels + file.Length) / 2)], 0xFF, 0xD9]),
                "truncated JPEG",
                $"{name}, half of them"
            );
            CollectionAssert.AreEqual(
                expected,
                Fixtures.Pixels([.. file[..^2], 0, 1, 2, 3, 0xFF, 0xD9]),
                $"{name}, bytes too many before the end"
            );
        }
    }

    [TestMethod]
    public void Process_WrongDestination_IsTheCallersError()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = 16 });
        ArgumentException e = Assert.ThrowsExactly<ArgumentException>(() =>
            preprocessor.Process(Fixtures.Read("rgb.png"), new float[767])
        );
        StringAssert.StartsWith(e.Message, "767 elements, expected 3 x 16 x 16 = 768.");
    }

    [TestMethod]
    public void Process_Cancelled_StopsAndTheNextImageIsRight()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = 16 });
        byte[] pixels = new byte[768];
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            preprocessor.ProcessToPixels(Fixtures.Read("rgb.png"), pixels, new CancellationToken(canceled: true))
        );
        preprocessor.ProcessToPixels(Fixtures.Read("rgb.png"), pixels);
        CollectionAssert.AreEqual(Fixtures.Read("rgb.png.rgb"), pixels);
    }

    /// <summary>The same file with another size in IHDR and the checksum that fits.</summary>
    private static byte[] WithPngSize(byte[] png, int width, int height)
    {
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), width);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), height);
        uint crc = uint.MaxValue;
        foreach (byte value in png.AsSpan(12, 17))
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), ~crc);
        return png;
    }
}
