using MlNetTransfer.Evaluation;
using MlNetTransfer.Tests.Selective;

namespace MlNetTransfer.Tests.Evaluation;

[TestClass]
public sealed class RankingScoresTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_AnyRows_IsSklearns(bool tied)
    {
        (int[] labels, float[] said) = ClassSetsTests.Guesses(150, 4, 2);
        if (tied)
            said = Array.ConvertAll(said, p => MathF.Round(4 * p) / 4);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.metrics import roc_auc_score, average_precision_score
                y = np.array(d['y']); p = np.array(d['p']).reshape(len(y), -1)
                r = [f(y == c, p[:, c]) for f in (roc_auc_score, average_precision_score) for c in range(p.shape[1])]
                """,
                new { y = labels, p = said }
            )
            .Doubles();
        RankingScores found = RankingScores.Of(["a", "b", "c", "d"], labels, said);
        for (int c = 0; c < 4; c++)
        {
            Estimate area = found.PerClass[c].RocAuc!.Value,
                precision = found.PerClass[c].AveragePrecision!.Value;
            Assert.AreEqual(expected[c], area.Value, 1e-12, "counts, divided in double");
            Assert.AreEqual(expected[4 + c], precision.Value, 1e-12);
            Assert.IsTrue(area.Low < area.Value && area.Value < area.High);
        }

        Assert.AreEqual(expected[..4].Average(), found.MacroRocAuc!.Value.Value, 1e-12);
        Assert.AreEqual(expected[4..].Average(), found.MacroAveragePrecision!.Value.Value, 1e-12);
    }

    [TestMethod]
    public void Of_AClassWithoutRows_IsLeftOut()
    {
        RankingScores found = RankingScores.Of(
            ["a", "b", "never"],
            [0, 1, 0, 1],
            [0.8f, 0.1f, 0.1f, 0.2f, 0.7f, 0.1f, 0.6f, 0.3f, 0.1f, 0.1f, 0.8f, 0.1f]
        );
        Assert.IsNull(found.PerClass[2].RocAuc);
        Assert.AreEqual(1, found.MacroRocAuc!.Value.Value);
    }

    [TestMethod]
    public void Of_OneClassAlone_IsNothing()
    {
        RankingScores found = RankingScores.Of(["a", "b"], [0, 0], [0.8f, 0.2f, 0.6f, 0.4f]);
        Assert.IsNull(found.MacroRocAuc);
        Assert.IsNull(found.MacroAveragePrecision);
    }
}
