using MlNetTransfer.Evaluation;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Tests.Selective;

[TestClass]
public sealed class AbstentionTests
{
    [TestMethod]
    [DataRow(0, 20)]
    [DataRow(3, 20)]
    [DataRow(20, 20)]
    [DataRow(181, 200)]
    public void Both_AnyCounts_IsScipysClopperPearson(int hits, int n)
    {
        double[] expected = Sklearn
            .Run(
                "from scipy.stats import binomtest, binom\ni = binomtest(d['s'], d['n']).proportion_ci(0.95, "
                    + "method='exact')\nr = [i.low, i.high, binom.cdf(d['s'], d['n'], 0.8)]",
                new { s = hits, n }
            )
            .Doubles();
        Interval found = ExactBinomial.Both(hits, n);
        Assert.AreEqual(expected[0], found.Low, 1e-10, "bisection to 2⁻⁶⁰, sums of up to 200 terms");
        Assert.AreEqual(expected[1], found.High, 1e-10);
        Assert.AreEqual(expected[2], ExactBinomial.AtMost(hits, n, 0.8), 1e-10);
    }

    [TestMethod]
    public void Of_AllRight_AnswersAll()
    {
        // 0.95⁶³ is below 0.04, 0.95⁶² above it: 63 images right in a row are the fewest that can promise 95 %.
        Assert.AreEqual(63, Abstention.Needed(0.95));
        (int[] labels, float[] said) = Rows(63, _ => true);
        Abstention found = Abstention.Of(labels, said, 0.95);
        Assert.AreEqual(0, found.Threshold);
        Assert.AreEqual(1, found.Answered);
        Assert.AreEqual(1, found.Accuracy);
        Assert.IsFalse(found.Abstains(0.51f));
    }

    [TestMethod]
    public void Of_TooFewImages_PromisesNothingAndSaysWhatItCould()
    {
        (int[] labels, float[] said) = Rows(62, _ => true);
        Abstention found = Abstention.Of(labels, said, 0.95);
        Assert.IsNull(found.Threshold);
        Assert.IsNull(found.Accuracy);
        Assert.IsNull(found.Abstains(0.9f));
        Assert.AreEqual(0.94, found.Reachable!.Value, 1e-12, "whole per cent");
    }

    [TestMethod]
    public void Of_AllWrong_PromisesNothing()
    {
        (int[] labels, float[] said) = Rows(100, _ => false);
        Abstention found = Abstention.Of(labels, said, 0.95);
        Assert.IsNull(found.Threshold);
        Assert.IsNull(found.Reachable);
    }

    [TestMethod]
    public void Of_OneProbabilityForAll_AnswersAllOrNone()
    {
        int[] labels = [.. Enumerable.Repeat(0, 200)];
        float[] said = [.. labels.SelectMany(_ => new[] { 0.75f, 0.25f })];
        Assert.AreEqual(0, Abstention.Of(labels, said, 0.95).Threshold);
        for (int i = 0; i < 50; i++)
            labels[4 * i] = 1;
        Assert.IsNull(Abstention.Of(labels, said, 0.95).Threshold);
    }

    [TestMethod]
    public void Of_SureImagesRight_AnswersThoseAndLiesBetween()
    {
        // Of 200 images the surer half is right, the other half is right every other time.
        (int[] labels, float[] said) = Rows(200, i => i < 100 || i % 2 == 0);
        Abstention found = Abstention.Of(labels, said, 0.95);
        Assert.AreEqual(0.5, found.Answered, 0.051, "one step of 5 %: 10 images, half of them wrong, may still pass");
        int answered = (int)Math.Round(200 * found.Answered);
        Assert.IsTrue(found.Threshold < said[2 * (answered - 1)] && found.Threshold > said[2 * answered]);
    }

    [TestMethod]
    [DataRow(150)]
    [DataRow(600)]
    public void Of_CalibratedRows_BreaksThePromiseInAtMostATwentieth(int rows)
    {
        const int draws = 400;
        int broken = 0,
            found = 0;
        for (int draw = 0; draw < draws; draw++)
        {
            var rng = new Rng(draw);
            // Right with exactly the stated probability, 0.5 + 0.5·√u: the accuracy from t on is known.
            float[] p = [.. Enumerable.Range(0, rows).Select(_ => (float)(0.5 + 0.5 * Math.Sqrt(rng.NextDouble())))];
            int[] labels = [.. p.Select(value => rng.NextDouble() < value ? 0 : 1)];
            float[] said = [.. p.SelectMany(value => new[] { value, 1 - value })];
            if (Abstention.Of(labels, said, 0.85).Threshold is not { } threshold)
                continue;
            found++;
            // x = √u has density 2x on [0, 1]; E[0.5 + x/2 | x ≥ a] = 0.5 + (1 - a³) / (3·(1 - a²)).
            double a = Math.Max(0, 2 * threshold - 1),
                accuracy = 0.5 + (1 - a * a * a) / (3 * (1 - a * a));
            broken += accuracy < 0.85 ? 1 : 0;
        }

        Assert.IsTrue(found > draws / 4, $"{found} thresholds: too few to say anything");
        // At most 5 % of 400 are 20; 34 or more would be one in a thousand.
        Assert.IsTrue(broken <= 33, $"{broken} of {draws} broken");
    }

    /// <summary>Two classes, probabilities falling from 0.99 to 0.51; right where asked.</summary>
    private static (int[] Labels, float[] Said) Rows(int rows, Func<int, bool> right) =>
        (
            [.. Enumerable.Range(0, rows).Select(i => right(i) ? 0 : 1)],
            [
                .. Enumerable
                    .Range(0, rows)
                    .SelectMany(i =>
                    {
                        float p = 0.99f - 0.48f * i / Math.Max(1, rows - 1);
                        return new[] { p, 1 - p };
                    }),
            ]
        );
}
