using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>
/// Every format and pixel layout against what Pillow made of the same bytes (fixtures/make-fixtures.py).
/// </summary>
[TestClass]
public sealed class FormatTests
{
    public static IEnumerable<object[]> Images => Fixtures.Good.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Images))]
    public void Pixels_Fixture_AreWhatPillowGives(string name)
    {
        // Orientations 5 to 8 run the two passes in the other order, which rounds differently by one level. The profile
        // is applied before the resize by Pillow's LittleCMS through a 16-bit table, by libvips through Lab: they round
        // differently.
        int tolerance = name switch
        {
            "orientation-5.jpg" or "orientation-6.jpg" or "orientation-7.jpg" or "orientation-8.jpg" => 1,
            "profile.png" => 2,
            _ => 0,
        };
        byte[] expected = Fixtures.Read(name + ".rgb");
        int difference = Fixtures.LargestDifference(expected, Fixtures.Pixels(Fixtures.Read(name)));
        Assert.IsTrue(difference <= tolerance, $"{name}: a pixel differs by {difference} levels.");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(4)]
    [DataRow(5)]
    [DataRow(6)]
    [DataRow(7)]
    [DataRow(8)]
    public void Pixels_CenterCropOfOrientedJpeg_AreTheUprightCentre(int orientation)
    {
        string name = $"orientation-{orientation}.jpg";
        byte[] pixels = Fixtures.Pixels(Fixtures.Read(name), Framing.CenterCrop);
        // One level: see above. A crop that is off by one column of this scene differs by tens of levels.
        Assert.IsTrue(
            Fixtures.LargestDifference(Fixtures.Read(name + ".crop.rgb"), pixels) <= (orientation >= 5 ? 1 : 0),
            name
        );
    }

    [TestMethod]
    public void Pixels_Cmyk_GoThroughTheProfileAndKeepTheScene()
    {
        // Pillow's CMYK has no profile, so only the scene is compared: inverted inks would differ by up to 255.
        byte[] rgb = Fixtures.Read("rgb.png.rgb"),
            cmyk = Fixtures.Pixels(Fixtures.Read("cmyk.jpg"));
        double mean = rgb.Zip(cmyk, (a, b) => Math.Abs(a - b)).Average();
        Assert.IsLessThan(45, mean);
    }

    [TestMethod]
    [DataRow("truncated.jpg", "truncated JPEG: ")]
    [DataRow("truncated.png", "truncated PNG: ")]
    [DataRow("rle.bmp", "BMP: run-length encoded (RLE) pixels are not decoded; save it without compression")]
    public void Process_BadFixture_SaysWhy(string name, string reason) =>
        StringAssert.StartsWith(Fixtures.Rejection(Fixtures.Read(name)), reason);

    [TestMethod]
    public void Header_EveryFixture_HasTheSizeOfTheScene()
    {
        foreach (string name in Fixtures.Good)
        {
            ImageInfo info = ImageHeader.Read(Fixtures.Read(name));
            Assert.AreEqual((41, 28), (info.Width, info.Height), name);
            Assert.AreEqual(
                name.StartsWith("orientation", StringComparison.Ordinal) ? name[12] - '0' : 1,
                info.Orientation,
                name
            );
        }
        Assert.IsTrue(ImageHeader.Read(Fixtures.Read("interlaced.png")).HoldsWholeFrame);
        Assert.IsTrue(ImageHeader.Read(Fixtures.Read("progressive.jpg")).HoldsWholeFrame);
        Assert.IsFalse(ImageHeader.Read(Fixtures.Read("rgb.png")).HoldsWholeFrame);
        Assert.AreEqual(ImageFormat.Avif, ImageHeader.Read(Fixtures.Read("lossless.avif")).Format);
    }
}
