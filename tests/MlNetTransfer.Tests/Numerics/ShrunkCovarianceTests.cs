using System.Text.Json;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Tests.Heads;

namespace MlNetTransfer.Tests.Numerics;

[TestClass]
public sealed class ShrunkCovarianceTests
{
    /// <summary>Fewer rows than features, and more: the two ways to the same matrix.</summary>
    [TestMethod]
    [DataRow(12, 30)]
    [DataRow(200, 30)]
    public void Multiply_AnyPower_IsThatOfLedoitAndWolfsCovariance(int rows, int width)
    {
        FeatureTable table = Rows.Clusters(rows, width, 2);
        var found = ShrunkCovariance.Of(table.Values, rows, width, 0, width, new ParallelOptions());
        float[] vector = [.. Rows.Clusters(2, width, 2, seed: 9).Row(0)];
        JsonElement expected = Sklearn.Run(
            """
            from sklearn.covariance import ledoit_wolf
            x = np.array(d["x"]).reshape(d["rows"], -1)
            c, _ = ledoit_wolf(x)
            w, v = np.linalg.eigh(c)
            r = {str(p): ((v * w ** p) @ v.T @ np.array(d["v"])).tolist() for p in (-0.5, 0.5, 1)}
            r["mean"] = x.mean(0)
            """,
            new
            {
                x = table.Values,
                rows,
                v = vector,
            }
        );
        Near(expected.GetProperty("mean").Doubles(), [.. found.Mean.Select(m => (float)m)]);
        foreach (string power in (string[])["-0.5", "0.5", "1"])
        {
            var product = new float[width];
            found.Multiply(vector, double.Parse(power, System.Globalization.CultureInfo.InvariantCulture), product);
            Near(expected.GetProperty(power).Doubles(), product);
        }
    }

    [TestMethod]
    public void Of_SomeOfTheFeatures_LooksAtThoseAlone()
    {
        FeatureTable table = Rows.Clusters(40, 10, 2);
        var part = ShrunkCovariance.Of(table.Values, 40, 10, 3, 4, new ParallelOptions());
        FeatureTable alone = table.Columns(3, 4);
        var same = ShrunkCovariance.Of(alone.Values, 40, 4, 0, 4, new ParallelOptions());
        CollectionAssert.AreEqual(same.Mean, part.Mean);
        float[] a = new float[4],
            b = new float[4];
        part.Multiply([1, 2, 3, 4], 0.5, a);
        same.Multiply([1, 2, 3, 4], 0.5, b);
        CollectionAssert.AreEqual(b, a);
    }

    [TestMethod]
    public void Of_ConstantFeatures_IsNothing()
    {
        float[] values = [.. Enumerable.Repeat(3f, 60)];
        var found = ShrunkCovariance.Of(values, 10, 6, 0, 6, new ParallelOptions());
        Assert.AreEqual(0, found.Rank);
        float[] product = [1, 1, 1, 1, 1, 1];
        found.Multiply([1, 2, 3, 4, 5, 6], -0.5, product);
        CollectionAssert.AreEqual(new float[6], product, "what has no variance is not divided by");
    }

    [TestMethod]
    public void Directions_AShare_AreThoseThatHoldIt()
    {
        // Variances 100, 10 and 1, apart.
        var rng = new Rng(4);
        double[] size = [1, 10, Math.Sqrt(10)];
        float[] values = [.. Enumerable.Range(0, 3 * 2000).Select(i => (float)(size[i % 3] * rng.NextNormal()))];
        var found = ShrunkCovariance.Of(values, 2000, 3, 0, 3, new ParallelOptions());
        float[][] most = found.Directions(0.85);
        Assert.HasCount(1, most, "100 of 111 is more than that");
        Assert.AreEqual(1, Math.Abs(most[0][1]), 1e-2, "the second feature, but for the noise of 2,000 rows");
        Assert.HasCount(2, found.Directions(0.95));
    }

    [TestMethod]
    public void Directions_OfNoiseThatIsShrunkAway_AreStillThere()
    {
        var rng = new Rng(2);
        float[] values = [.. Enumerable.Range(0, 6 * 40).Select(_ => (float)rng.NextNormal())];
        var found = ShrunkCovariance.Of(values, 6, 40, 0, 40, new ParallelOptions());
        Assert.HasCount(5, found.Directions(1), "six rows less their mean");
    }

    private static void Near(double[] expected, float[] found)
    {
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 2e-5 * largest, "sums of float32 products");
    }
}
