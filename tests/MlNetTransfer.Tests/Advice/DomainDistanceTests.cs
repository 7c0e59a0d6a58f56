using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Advice;
using MlNetTransfer.Features;

namespace MlNetTransfer.Tests.Advice;

[TestClass]
public sealed class DomainDistanceTests
{
    [TestMethod]
    public void Between_HalvesOfOneSet_IsNothing()
    {
        int apart = Enumerable
            .Range(0, 40)
            .Count(i => Of(Draw(60, 0, 2 * i + 1), Draw(60, 0, 2 * i + 2)).Interval.Low > 0);
        // One draw in 40 where rows were independent; in folds they are nearly so. 5 or more are then 1 in 250.
        Assert.IsLessThan(5, apart);
    }

    [TestMethod]
    public void Between_SetsFarApart_IsTwo()
    {
        DomainDistance found = Of(Draw(60, 0, 1), Draw(200, 20, 2));
        Assert.AreEqual(2, found.Distance);
        Assert.AreEqual(60, found.Images, "as many of one as of the other");
    }

    [TestMethod]
    public void Between_Overlap_IsWhatTheBestClassifierGets()
    {
        // N(0, 1) and N(2, 1) in one of five features: the best error is Φ(-1) = 0.1587, the distance 2(1 - 2·0.1587).
        DomainDistance found = Of(Draw(1000, 0, 1), Draw(1000, 2, 2));
        double best = 2 * (1 - 2 * 0.158655);
        Assert.IsTrue(
            found.Interval.Low <= best && best <= found.Interval.High,
            FormattableString.Invariant($"{found.Interval.Low} to {found.Interval.High}")
        );
    }

    [TestMethod]
    public void Between_TheSameFilesTwice_IsNothing()
    {
        FeatureTable table = Draw(50, 0, 1);
        DomainDistance found = DomainDistance.Between(table, table, Digests(50, 1), Digests(50, 1));
        Assert.AreEqual(0, found.Distance, "a file is held out in both sets");
    }

    [TestMethod]
    public void Between_TooFew_SaysHowMany() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => Of(Draw(9, 0, 1), Draw(50, 0, 2))).Message,
            "at least 10"
        );

    private static DomainDistance Of(FeatureTable a, FeatureTable b) =>
        DomainDistance.Between(a, b, Digests(a.Rows, 1), Digests(b.Rows, 2));

    private static byte[] Digests(int rows, int set) =>
        [.. Enumerable.Range(0, rows).SelectMany(i => SHA256.HashData(Encoding.UTF8.GetBytes($"{set} {i}")))];

    private static FeatureTable Draw(int rows, double shift, int seed)
    {
        var rng = new Rng(seed);
        float[] values =
        [
            .. Enumerable.Range(0, rows * 5).Select(i => (float)(rng.NextNormal() + (i % 5 == 0 ? shift : 0))),
        ];
        return new FeatureTable(["images"], new int[rows], values, 5);
    }
}
