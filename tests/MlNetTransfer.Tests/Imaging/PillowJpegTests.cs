using System.Globalization;

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
            Assert.AreEqual(0, difference, string.Create(CultureInfo.InvariantCulture, $"{name}: a pixel differs by {difference} levels."));
        }
    }
}
