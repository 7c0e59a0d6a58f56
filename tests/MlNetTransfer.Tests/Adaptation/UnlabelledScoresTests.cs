using MlNetTransfer.Adaptation;

namespace MlNetTransfer.Tests.Adaptation;

[TestClass]
public sealed class UnlabelledScoresTests
{
    [TestMethod]
    public void Of_ImagesOfEveryClassEquallyOften_IsAsInformedAsCanBe()
    {
        UnlabelledScores found = UnlabelledScores.Of(OneHot(40, 4, row => row % 4), 4);
        Assert.AreEqual(0.75 * Math.Log(4), found.Information, 1e-9, "H(mean p) = ln 4, mean H(p) = ln 4 / 4");
    }

    [TestMethod]
    public void Of_AllImagesOneClass_IsUninformed()
    {
        UnlabelledScores found = UnlabelledScores.Of(OneHot(40, 4, _ => 2), 4);
        Assert.AreEqual(0, found.Information, 1e-9, "every image says what their mean says");
    }

    [TestMethod]
    public void Of_AnyScaleOfTheLogits_IsTheSameInformation()
    {
        float[] logits = Random(100, 5, 1);
        double once = UnlabelledScores.Of(logits, 5).Information;
        foreach (float scale in (float[])[0.01f, 7, 300])
            Assert.AreEqual(
                once,
                UnlabelledScores.Of([.. logits.Select(l => scale * l)], 5).Information,
                1e-5,
                "but for the rounding of the scaled logits"
            );
    }

    [TestMethod]
    public void Of_UniformLogits_IsNothingAtAll()
    {
        UnlabelledScores found = UnlabelledScores.Of(new float[30], 3);
        Assert.AreEqual(0, found.Information, 1e-12);
        Assert.AreEqual(Math.Log(3), found.Entropy, 1e-12);
        Assert.AreEqual(Math.Log(9), found.Density, 1e-12, "nine others, all equally near");
    }

    [TestMethod]
    public void Of_AnyLogits_HasTheEntropyAndDensityOfNumpy()
    {
        float[] logits = Random(30, 4, 2);
        System.Text.Json.JsonElement expected = Sklearn.Run(
            """
            p = np.exp(np.array(d["l"]).reshape(-1, 4)); p /= p.sum(1, keepdims=True)
            h = lambda q: -(q * np.log(q + 1e-300)).sum(1).mean()
            u = p / np.linalg.norm(p, axis=1, keepdims=True)
            s = u @ u.T / 0.05
            s = s[~np.eye(len(s), dtype=bool)].reshape(len(s), -1)
            e = np.exp(s); e /= e.sum(1, keepdims=True)
            r = [h(p), h(e)]
            """,
            new { l = logits }
        );
        UnlabelledScores found = UnlabelledScores.Of(logits, 4);
        Assert.AreEqual(expected[0].GetDouble(), found.Entropy, 1e-6);
        Assert.AreEqual(expected[1].GetDouble(), found.Density, 1e-6);
    }

    [TestMethod]
    public void Above_ItsOwn_IsNothingAndAMoreInformedOneIsSurelyAbove()
    {
        var good = new PredictedClasses(OneHot(200, 4, row => row % 4), 4);
        // Nearly all are taken for the first class.
        var poor = new PredictedClasses([.. Random(200, 4, 3).Select((l, i) => i % 4 == 0 ? l + 2 : l)], 4);
        Assert.AreEqual((0.0, 0.0), good.Above(good, 1));
        (double gain, double error) = good.Above(poor, 1);
        Assert.AreEqual(good.Information() - poor.Information(), gain, 1e-12);
        Assert.IsGreaterThan(3 * error, gain);
        Assert.AreEqual((gain, error), good.Above(poor, 1), "equal seeds, equal draws");
    }

    [TestMethod]
    public void Above_ByTheBootstrap_HasTheSpreadOfOtherSamples()
    {
        // The difference between two classifiers on 300 images, over and over.
        double[] gains =
        [
            .. Enumerable
                .Range(0, 60)
                .Select(i =>
                    new PredictedClasses(Skewed(300, 2 * i, 1), 3).Information()
                    - new PredictedClasses(Skewed(300, 2 * i + 1, 0.5f), 3).Information()
                ),
        ];
        double mean = gains.Average(),
            spread = Math.Sqrt(gains.Sum(g => (g - mean) * (g - mean)) / 59);
        double error = new PredictedClasses(Skewed(300, 0, 1), 3)
            .Above(new PredictedClasses(Skewed(300, 1, 0.5f), 3), 1)
            .StandardError;
        Assert.IsInRange(0.6 * spread, 1.6 * spread, error, "60 samples and one bootstrap of 300");
    }

    [TestMethod]
    public void Of_WhatIsNone_IsRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => UnlabelledScores.Of([], 3));
        Assert.ThrowsExactly<ArgumentException>(() => UnlabelledScores.Of([1, 2, 3, 4], 3));
        Assert.ThrowsExactly<ArgumentException>(() => UnlabelledScores.Of([1, 2], 1));
    }

    private static float[] OneHot(int rows, int classes, Func<int, int> of)
    {
        var logits = new float[rows * classes];
        for (int row = 0; row < rows; row++)
            logits[row * classes + of(row)] = 5;
        return logits;
    }

    /// <summary>Three classes, the first of which is taken more often.</summary>
    private static float[] Skewed(int rows, int seed, float more) =>
        [.. Random(rows, 3, seed).Select((logit, i) => i % 3 == 0 ? logit + more : logit)];

    private static float[] Random(int rows, int classes, int seed)
    {
        var rng = new Rng(seed);
        return [.. Enumerable.Range(0, rows * classes).Select(_ => (float)rng.NextNormal())];
    }
}
