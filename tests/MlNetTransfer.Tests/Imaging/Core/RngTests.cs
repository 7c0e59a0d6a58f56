using MlNetTransfer.Tests.Imaging.Augmentation;

namespace MlNetTransfer.Tests.Imaging.Core;

[TestClass]
public sealed class RngTests
{
    [TestMethod]
    public void NextBits_AnySeed_MatchesTheDefinition()
    {
        // The recurrences written out again in Python's unbounded integers.
        string[] expected =
        [
            .. Sklearn
                .Run(
                    """
                    M = 2**64 - 1
                    def mix(s):
                        z = s
                        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M
                        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
                        return z ^ (z >> 31)
                    s = [mix((42 + (i + 1) * 0x9E3779B97F4A7C15) & M) for i in range(4)]
                    rot = lambda x, k: ((x << k) | (x >> (64 - k))) & M
                    r = []
                    for _ in range(100):
                        r.append(str((rot((s[1] * 5) & M, 7) * 9) & M))
                        t = (s[1] << 17) & M
                        s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t; s[3] = rot(s[3], 45)
                    """,
                    new { }
                )
                .EnumerateArray()
                .Select(value => value.GetString()!),
        ];
        var rng = new Rng(42);
        CollectionAssert.AreEqual(expected, Enumerable.Range(0, 100).Select(_ => $"{rng.NextBits()}").ToArray());
    }

    [TestMethod]
    public void NextNormal_ManyDraws_HasItsMoments()
    {
        var rng = new Rng(1);
        double[] draws = [.. Enumerable.Range(0, 100_000).Select(_ => rng.NextNormal())];
        Assert.AreEqual(0, draws.Average(), 0.016, "five standard errors of the mean, 5/√100000");
        Assert.AreEqual(
            1,
            draws.Average(x => x * x),
            0.023,
            "five standard errors of the second moment, 5·√(2/100000)"
        );
    }

    [TestMethod]
    [DataRow(0.5)]
    [DataRow(1.0)]
    [DataRow(2.0)]
    public void NextBeta_ShapesOfClosedForm_HasThatDistribution(double shape)
    {
        var rng = new Rng(3);
        KolmogorovSmirnov.AreEqual(
            Enumerable.Range(0, 50_000).Select(_ => rng.NextBeta(shape, shape)),
            x =>
                shape switch
                {
                    0.5 => 2 / Math.PI * Math.Asin(Math.Sqrt(x)),
                    1 => x,
                    _ => (3 - (2 * x)) * x * x,
                },
            0,
            $"{shape}"
        );
    }

    [TestMethod]
    [DataRow(0.001, 0.001)]
    [DataRow(0.2, 0.2)]
    [DataRow(0.7, 3.0)]
    [DataRow(9.0, 4.0)]
    public void NextBeta_AnyShapes_HasItsMoments(double a, double b)
    {
        var rng = new Rng(4);
        double[] draws = [.. Enumerable.Range(0, 50_000).Select(_ => rng.NextBeta(a, b))];
        double mean = a / (a + b),
            variance = a * b / ((a + b) * (a + b) * (a + b + 1));
        Assert.IsTrue(draws.All(x => x is >= 0 and <= 1));
        Assert.AreEqual(mean, draws.Average(), 5 * Math.Sqrt(variance / 50_000), "five standard errors");
        Assert.AreEqual(
            variance,
            draws.Average(x => (x - mean) * (x - mean)),
            5 * Math.Sqrt(variance / 50_000),
            "five standard errors at most: (x - mean)² deviates no more than x - mean does"
        );
    }

    [TestMethod]
    public void Restart_KeysThatDifferAnywhere_GiveOtherStreams()
    {
        var rng = new Rng(0);
        var seen = new HashSet<ulong>();
        ulong[] keys = [0, 1, 2, 1UL << 32, ulong.MaxValue];
        foreach (ulong a in keys)
        {
            foreach (ulong b in keys)
            {
                foreach (ulong c in keys)
                {
                    rng.Restart(a, b, c);
                    Assert.IsTrue(seen.Add(rng.NextBits()), $"{a}, {b}, {c}");
                }
            }
        }
    }

    [TestMethod]
    public void Shuffle_ThreeItems_EveryOrderEquallyOften()
    {
        var rng = new Rng(2);
        var counts = new Dictionary<string, int>();
        for (int i = 0; i < 60_000; i++)
        {
            char[] items = ['a', 'b', 'c'];
            rng.Shuffle<char>(items);
            counts[new string(items)] = counts.GetValueOrDefault(new string(items)) + 1;
        }

        Assert.HasCount(6, counts);
        foreach (int count in counts.Values)
            Assert.AreEqual(10_000, count, 460, "five binomial standard deviations, 5·√(60000·5/36)");
    }
}
