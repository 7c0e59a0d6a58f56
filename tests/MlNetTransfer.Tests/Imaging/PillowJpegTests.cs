using System.Globalization;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>The rule that a JPEG is decoded smaller: Pillow's draft mode asks libjpeg for the same scale.</summary>
[TestClass]
public sealed class PillowJpegTests
{
    private const string Script = """
        import random
        from PIL import Image
        random.seed(3)
        # shorter side, scale expected at size 64
        for side, scale in ((100, 1), (255, 1), (256, 2), (511, 2), (512, 4), (1023, 4), (1024, 8), (1500, 8)):
            small = Image.frombytes('RGB', (40, 40), random.randbytes(4800))
            image = small.resize((side + 131, side), Image.BICUBIC)
            name = f'{folder}/{side}.jpg'
            image.save(name, quality=92)
            decoded = Image.open(name)
            decoded.draft('RGB', (decoded.width // scale, decoded.height // scale))
            decoded.load()
            assert (decoded.width, decoded.height) == (-(-image.width // scale), -(-image.height // scale)), decoded.size
            # libvips drops the last column and row where they stand for less than a whole block.
            decoded = decoded.crop((0, 0, image.width // scale, image.height // scale))
            open(f'{folder}/{side}.rgb', 'wb').write(decoded.resize((64, 64), Image.BILINEAR).tobytes())
        """;

    [TestMethod]
    public void Pixels_JpegsOfManySizes_AreDecodedAtTheScaleOfTheRule()
    {
        using PillowFolder folder = Pillow.Run(Script);
        string[] names = [.. folder.Names("*.jpg")];
        Assert.HasCount(8, names);
        foreach (string name in names)
        {
            byte[] expected = folder.Read(Path.ChangeExtension(name, "rgb"));
            int difference = Fixtures.LargestDifference(expected, Fixtures.Pixels(folder.Read(name), size: 64));
            Assert.AreEqual(
                0,
                difference,
                string.Create(CultureInfo.InvariantCulture, $"{name}: a pixel differs by {difference} levels.")
            );
        }
    }

    /// <summary>
    /// The cut is far below the centre square, so the pixels asked for are all there: the framing still must not
    /// decide.
    /// </summary>
    [TestMethod]
    public void Process_JpegCutBelowTheCrop_IsRejectedUnderEitherFraming()
    {
        using PillowFolder folder = Pillow.Run(
            """
            import random
            from PIL import Image
            random.seed(4)
            Image.frombytes('L', (64, 640), random.randbytes(64 * 640)).save(f'{folder}/tall.jpg', quality=95)
            """
        );
        byte[] file = folder.Read("tall.jpg");
        foreach (Framing framing in Enum.GetValues<Framing>())
        {
            Fixtures.Pixels(file, framing);
            ImageRejectedException e = Assert.ThrowsExactly<ImageRejectedException>(() =>
                Fixtures.Pixels(file.AsSpan(0, file.Length * 9 / 10), framing)
            );
            StringAssert.StartsWith(e.Reason, "truncated JPEG: ", framing.ToString());
        }
    }
}
