using MlNetTransfer.Checks;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Checks;

[TestClass]
public sealed class DataChecksTests
{
    /// <summary>Of a normal distribution the absolute median above the middle is 0.6745 standard deviations.</summary>
    [TestMethod]
    public void Limit_NormalDistances_StandsAtItsDeviations()
    {
        var rng = new Random(1);
        double[] distances = [.. Enumerable.Range(0, 100_000).Select(_ => 5 + 2 * Normal(rng)).Order()];
        // 100,000 draws: the median is off by 2·1.25/√n = 0.008, the deviation by about as much.
        Assert.AreEqual(5 + 2 * Outliers.Deviations, Outliers.Limit(distances), 0.06);
    }

    [TestMethod]
    public void Limit_AllTheSame_NoneIsBeyond() => Assert.IsGreaterThan(0.5, Outliers.Limit([0.5, 0.5, 0.5, 0.5]));

    [TestMethod]
    public void ClassSizes_SmallAndUnequal_AreNamed()
    {
        DataFinding[] found = [.. ClassSizes.Find(["a", "b", "c"], [4, 5, 50])];
        CollectionAssert.AreEqual(
            new[] { FindingKind.SmallClass, FindingKind.Imbalance },
            found.Select(f => f.Kind).ToArray()
        );
        Assert.AreEqual("a", found[0].Class);
        Assert.AreEqual(12.5, found[1].Score);
        Assert.HasCount(2, ClassSizes.Notes(["a", "b", "c"], [4, 5, 50]).ToArray());
        Assert.IsEmpty(ClassSizes.Find(["a", "b"], [5, 49]));
        Assert.IsEmpty(ClassSizes.Notes(["a"], [5]), "one class");
    }

    /// <summary>Pixels of known shades: their percentiles, contrast, sharpness and shape.</summary>
    [TestMethod]
    public void Inspect_KnownPixels_SaysWhatTheyAre()
    {
        using var inspector = new ImageInspector(new ImageLimits());
        ImageFacts flat = inspector.Inspect(Bmp.Of(300, 100, (_, _) => 40));
        Assert.AreEqual((300, 100, 40, 40), (flat.Width, flat.Height, flat.Dark, flat.Bright));
        Assert.IsNull(flat.Hash, "nothing to see");
        Assert.IsNull(flat.Sharpness);
        // Half black, half white: one row of edges. Smooth waves of the same contrast have far less of the Laplacian.
        ImageFacts sharp = inspector.Inspect(Bmp.Of(256, 256, (x, _) => x < 128 ? 0 : 255)),
            soft = inspector.Inspect(Bmp.Of(256, 256, (x, _) => (int)(127.5 + 127 * Math.Sin(x * Math.PI / 128))));
        // Two columns of 254 have a Laplacian of ±255, the variance of the shades is 127.5²: 2/254 · 4.
        Assert.AreEqual(8.0 / 254, sharp.Sharpness!.Value, 1e-3);
        Assert.IsLessThan(sharp.Sharpness.Value / 50, soft.Sharpness!.Value);
        Assert.IsNull(inspector.Inspect(Bmp.Of(40, 40, (x, _) => 6 * x)).Sharpness, "too small to say");
    }

    private static double Normal(Random rng) =>
        Math.Sqrt(-2 * Math.Log(1 - rng.NextDouble())) * Math.Cos(2 * Math.PI * rng.NextDouble());
}
