using System.Numerics;
using MlNetTransfer.Checks;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Checks;

/// <summary>Oracles: the cosine transform as a product of matrices in numpy; Pillow's copies of the sample images.</summary>
[TestClass]
public sealed class PerceptualHashTests
{
    private const string Transform = """
        g = np.array(d["g"], float).reshape(32, 32)
        x = np.arange(32)
        m = np.array([np.cos(np.pi * (2 * x + 1) * u / 64) * (np.sqrt(1 / 32) if u == 0 else np.sqrt(2 / 32)) for u in x])
        f = m @ g @ m.T
        order = [(v, s - v) for s in range(1, 32) for v in range(s + 1)][:64]
        c = np.array([f[v, u] for v, u in order])
        r = [int(b) for b in c > np.median(c)]
        """;

    /// <summary>Saves each image three times: as JPEG, at half the size, and as JPEG at two thirds.</summary>
    private const string Copy = """
        import sys, glob, os
        from PIL import Image
        for p in sorted(glob.glob(sys.argv[1] + "/*/*.png"))[::8]:
            im = Image.open(p).convert("RGBA")
            im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
            n = sys.argv[2] + "/" + os.path.basename(p)[:-4]
            im.save(n + ".0.png")
            im.save(n + ".1.jpg", quality=75)
            im.resize((im.width // 2, im.height // 2), Image.LANCZOS).save(n + ".2.png")
            im.resize((im.width * 2 // 3, im.height * 2 // 3), Image.BICUBIC).save(n + ".3.jpg", quality=85)
        """;

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Of_RandomShades_IsTheTransformsSigns(int seed)
    {
        byte[] grey = new byte[1024];
        new Random(seed).NextBytes(grey);
        double[] bits = Sklearn.Run(Transform, new { g = grey.Select(b => (int)b) }).Doubles();
        ulong expected = 0;
        for (int bit = 0; bit < 64; bit++)
            expected |= (ulong)bits[bit] << bit;
        Assert.AreEqual(expected, PerceptualHash.Of(grey));
    }

    [TestMethod]
    public void Of_BrighterOrFlatter_IsTheSame()
    {
        byte[] grey = new byte[1024];
        new Random(3).NextBytes(grey);
        grey = Array.ConvertAll(grey, g => (byte)(g / 4 * 2));
        ulong hash = PerceptualHash.Of(grey);
        Assert.AreEqual(32, BitOperations.PopCount(hash), "half of the bits");
        Assert.AreEqual(hash, PerceptualHash.Of(Array.ConvertAll(grey, g => (byte)(g + 50))), "brighter");
        Assert.AreEqual(hash, PerceptualHash.Of(Array.ConvertAll(grey, g => (byte)(g / 2))), "half the contrast");
    }

    [TestMethod]
    public void Inspect_CopiesOfDrawings_AreNearAndOtherDrawingsAreNot()
    {
        Python.Require("PIL");
        using var folder = new TempFolder();
        Python.Run(Copy, Repository.At("data-samples/clipart"), folder.Path);
        using var inspector = new ImageInspector(new ImageLimits());
        ImageFacts[][] drawings =
        [
            .. Directory
                .GetFiles(folder.Path)
                .Order(StringComparer.Ordinal)
                .Chunk(4)
                .Select(copies => copies.Select(f => inspector.Inspect(File.ReadAllBytes(f))).ToArray()),
        ];
        Assert.IsGreaterThan(15, drawings.Length);
        foreach (ImageFacts[] copies in drawings)
        foreach (ImageFacts copy in copies)
        {
            Assert.IsTrue(IsNear(copies[0], copy), "A copy is near.");
            Assert.AreEqual(copies.IndexOf(copy) < 2, copy.Width == copies[0].Width, "upright size");
        }

        for (int one = 0; one < drawings.Length; one++)
        for (int other = 0; other < one; other++)
            Assert.IsFalse(IsNear(drawings[one][0], drawings[other][0]), $"drawings {one} and {other}");

        static bool IsNear(ImageFacts one, ImageFacts other) =>
            PerceptualHash.Distance(one.Hash!.Value, other.Hash!.Value) <= Duplicates.MostBits
            && one.Difference(other) <= Duplicates.MostDifference;
    }
}
