using MlNetTransfer.Advice;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Tests.Heads;

namespace MlNetTransfer.Tests.Advice;

[TestClass]
public sealed class FreezeRuleTests
{
    [TestMethod]
    [DataRow(100, 10, 0.95, DataSize.Small, SourceSimilarity.Similar, 1.0, 1.0)]
    [DataRow(100, 10, 0.5, DataSize.Small, SourceSimilarity.Different, 1.0 / 3, 0.5)]
    [DataRow(20_000, 10, 0.95, DataSize.Large, SourceSimilarity.Similar, 0.6, 0.8)]
    [DataRow(20_000, 10, 0.5, DataSize.Large, SourceSimilarity.Different, 0.0, 0.0)]
    public void Of_EachQuadrant_FreezesWhatTheTableSays(
        int images,
        int classes,
        double accuracy,
        DataSize size,
        SourceSimilarity similarity,
        double from,
        double to
    )
    {
        FreezeRule rule = FreezeRule.Of(images, classes, accuracy, 0.1);
        Assert.AreEqual((size, similarity, from, to), (rule.Size, rule.Similarity, rule.FreezeFrom, rule.FreezeTo));
    }

    [TestMethod]
    public void Separability_OfGuessingAndOfNoMistake_IsNoneAndAll()
    {
        Assert.AreEqual(0, FreezeRule.Separability(0.25, 0.25));
        Assert.AreEqual(0, FreezeRule.Separability(0.1, 0.25), "worse than guessing is no more than nothing");
        Assert.AreEqual(1, FreezeRule.Separability(1, 0.25));
        Assert.AreEqual(0.5, FreezeRule.Separability(0.75, 0.5), 1e-12);
    }

    [TestMethod]
    public void Quadrant_OneRowPerClass_TakesGuessing()
    {
        var quadrant = DataQuadrant.Of(Rows.Clusters(3, 4, 3), 1, default);
        Assert.AreEqual(0, quadrant.Separability);
        Assert.AreEqual("finetune", quadrant.Strategy);
    }

    [TestMethod]
    public void Ranking_NothingTried_PutsTheHeadFirstWithWilsonsInterval()
    {
        LeaderboardRow row = new("net", ["tap"], "ridge", 0.8, 0.5, 0.1, 0, [0, 0], 20, 10, true);
        IReadOnlyList<AdvisedStrategy> ways = new AdvisedRanking(FreezeRule.All[1], [row], "net", [], 100, 100).Of();
        Assert.AreEqual("head", ways[0].Strategy);
        Interval expected = WilsonInterval.Of(80, 100);
        Assert.AreEqual((expected.Low, expected.High), (ways[0].Interval[0], ways[0].Interval[1]));
        CollectionAssert.AreEqual(
            new[] { AdviceEvidence.CrossValidated, AdviceEvidence.OtherTasks, AdviceEvidence.OtherTasks },
            ways.Select(way => way.Evidence).ToArray()
        );
        Assert.IsTrue(ways.Skip(1).All(way => way.Interval[1] - way.Interval[0] > expected.High - expected.Low));
    }

    [TestMethod]
    public void Ranking_TrainingThatWasTaken_IsFirstByItsPairedGain()
    {
        LeaderboardRow row = new("net", ["tap"], "ridge", 0.8, 0.5, 0.1, 0, [0, 0], 20, 10, true);
        StrategyTrial head = new("head", 0.76, [0.6, 0.9], 0.6, 0, [0, 0], 0.2, 0.05, 25, 1, false),
            tuned = new("finetune", 0.84, [0.7, 0.95], 0.4, 0.08, [0.02, 0.16], 0, 0, 25, 60, true);
        AdvisedStrategy first = new AdvisedRanking(FreezeRule.All[1], [row], "net", [head, tuned], 100, 100).Of()[0];
        Assert.AreEqual(("finetune", AdviceEvidence.Tried), (first.Strategy, first.Evidence));
        Assert.AreEqual(0.88, first.Accuracy, 1e-12, "the head's by cross-validation and the gain");
        StringAssert.Contains(first.Reason, "+8.0 points");
        Assert.AreEqual("--backbone net --strategy finetune --freeze 0.42", first.Options);
    }
}
