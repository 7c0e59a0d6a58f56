using FsCheck;
using FsCheck.Fluent;
using MlNetTransfer.Evaluation;
using Interval = MlNetTransfer.Evaluation.Interval;

namespace MlNetTransfer.Tests.Evaluation;

[TestClass]
public sealed class WilsonIntervalTests
{
    [TestMethod]
    public void Of_NoTrials_IsEverything() => Assert.AreEqual(new Interval(0, 1), WilsonInterval.Of(0, 0));

    [TestMethod]
    public void Of_NoSuccesses_MatchesClosedForm()
    {
        // For p = 0 the ends are 0 and z²/(n + z²); z = Φ⁻¹(0.975) = 1.959963984540054.
        const double z2 = 1.959963984540054 * 1.959963984540054;
        Interval interval = WilsonInterval.Of(0, 20);
        Assert.AreEqual(0, interval.Low);
        Assert.AreEqual(z2 / (20 + z2), interval.High, 1e-14, "double rounding");
    }

    [TestMethod]
    [DataRow(7, 9, 0.95)]
    [DataRow(500, 1000, 0.99)]
    [DataRow(1, 3, 0.5)]
    public void Of_Anything_MatchesScipy(int successes, int n, double confidence)
    {
        double[] expected = Sklearn
            .Run(
                "from scipy.stats import binomtest\ni = binomtest(d['s'], d['n']).proportion_ci(d['c'], "
                    + "method='wilson')\nr = [i.low, i.high]",
                new
                {
                    s = successes,
                    n,
                    c = confidence,
                }
            )
            .Doubles();
        Interval interval = WilsonInterval.Of(successes, n, confidence);
        Assert.AreEqual(expected[0], interval.Low, 1e-12, "both are double closed forms");
        Assert.AreEqual(expected[1], interval.High, 1e-12);
    }

    [TestMethod]
    public void Of_Anything_HoldsTheShareAndMirrors() =>
        Prop.ForAll(
                Gen.Choose(1, 5000).SelectMany(n => Gen.Choose(0, n).Select(s => (s, n))).ToArbitrary(),
                trial =>
                {
                    (int s, int n) = trial;
                    (Interval a, Interval b) = (WilsonInterval.Of(s, n), WilsonInterval.Of(n - s, n));
                    double p = (double)s / n;
                    return 0 <= a.Low
                        && a.Low <= p
                        && p <= a.High
                        && a.High <= 1
                        && Math.Abs(a.Low + b.High - 1) < 1e-12;
                }
            )
            .QuickCheckThrowOnFailure();

    [TestMethod]
    public void Of_MoreSuccessesThanTrials_IsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => WilsonInterval.Of(4, 3));

    [TestMethod]
    public void Quantile_KnownLevels_MatchesTables()
    {
        Assert.AreEqual(1.959963984540054, Normal.Quantile(0.975), 1e-13);
        Assert.AreEqual(-1.2815515655446004, Normal.Quantile(0.1), 1e-13);
        Assert.AreEqual(4.753424308822899, Normal.Quantile(0.999999), 1e-9, "1 - 0.999999 is rounded to 1e-16");
    }
}
