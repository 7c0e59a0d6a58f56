using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Tests.Evaluation;

[TestClass]
public sealed class PairedDifferenceTests
{
    private const double Z = 1.959963984540054;

    [TestMethod]
    public void Of_Rows_CountsThoseThatTellApart() =>
        Assert.AreEqual(
            new PairedDifference(1, 2, 6),
            PairedDifference.Of([true, true, true, false, false, true], [true, false, false, true, false, true])
        );

    /// <summary>
    /// Without a row that tells them apart the statistic is -√(nδ / (1 - δ)), so that the ends are ±z² / (n + z²).
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(40)]
    [DataRow(5000)]
    public void Interval_NoDifference_IsTheClosedForm(int rows)
    {
        Interval found = new PairedDifference(0, 0, rows).Interval();
        double end = Z * Z / (rows + Z * Z);
        Assert.AreEqual(end, found.High, 1e-9, "bisection");
        Assert.AreEqual(-end, found.Low, 1e-9, "bisection");
    }

    /// <summary>
    /// Oracle: the likelihood of three outcomes maximised under the hypothesis by golden-section search, and the score
    /// statistic from its definition.
    /// </summary>
    [TestMethod]
    [DataRow(4, 0, 15, 0.02)]
    [DataRow(0, 4, 15, -0.02)]
    [DataRow(7, 12, 300, -0.01)]
    [DataRow(30, 60, 1000, -0.02)]
    [DataRow(3, 3, 20, 0.1)]
    [DataRow(1, 9, 10, -0.3)]
    public void Score_AnyHypothesis_IsThatOfTheConstrainedLikelihood(int gained, int lost, int rows, double difference)
    {
        double low = Math.Max(0, -difference),
            high = (1 - difference) / 2;
        for (int i = 0; i < 300; i++)
        {
            double a = low + (high - low) / 3,
                b = high - (high - low) / 3;
            if (LogLikelihood(a) < LogLikelihood(b))
                low = a;
            else
                high = b;
        }

        double share = (low + high) / 2,
            z =
                (gained - lost - rows * difference)
                / Math.Sqrt(rows * (2 * share + difference - difference * difference));
        Assert.AreEqual(
            z,
            new PairedDifference(gained, lost, rows).Score(difference),
            1e-5,
            "the flat top of a likelihood is found to the root of the precision"
        );

        double LogLikelihood(double q) =>
            Term(gained, q + difference) + Term(lost, q) + Term(rows - gained - lost, 1 - 2 * q - difference);
        static double Term(int count, double p) => count == 0 ? 0 : count * Math.Log(Math.Max(p, 1e-300));
    }

    [TestMethod]
    [DataRow(5, 0, 20)]
    [DataRow(3, 9, 300)]
    [DataRow(20, 20, 40)]
    public void Interval_Ends_AreWhereTheStatisticIsZ(int gained, int lost, int rows)
    {
        var difference = new PairedDifference(gained, lost, rows);
        Interval found = difference.Interval();
        Assert.IsTrue(found.Low < difference.Value && difference.Value < found.High);
        Assert.AreEqual(Z, difference.Score(found.Low), 1e-6, "bisection");
        Assert.AreEqual(-Z, difference.Score(found.High), 1e-6, "bisection");
        Interval turned = new PairedDifference(lost, gained, rows).Interval();
        Assert.AreEqual(-found.High, turned.Low, 1e-9, "exchanging the two turns the sign");
        Interval wider = difference.Interval(0.99);
        Assert.IsTrue(wider.Low < found.Low && wider.High > found.High);
    }

    [TestMethod]
    public void Interval_NoRows_IsEverything() =>
        Assert.AreEqual(new Interval(-1, 1), default(PairedDifference).Interval());
}
