using MlNetTransfer.Models.Quantization;

namespace MlNetTransfer.Tests.Models.Quantization;

[TestClass]
public sealed class ModelComparisonTests
{
    [TestMethod]
    public void Of_KnownRows_CountsThem()
    {
        // Truth 0 0 1 1 1; float says 0 1 1 1 0, int8 says 0 0 1 0 0.
        var found = new ModelComparison(
            ["a", "b", "c"],
            [0, 0, 1, 1, 1],
            Rows(0, 1, 1, 1, 0),
            Rows(0, 0, 1, 0, 0),
            0.02
        );
        Assert.AreEqual(0.6, found.FloatAccuracy, 1e-12);
        Assert.AreEqual(0.6, found.Int8Accuracy, 1e-12);
        Assert.AreEqual(2, found.LabelFlips);
        Assert.AreEqual(
            2 * 2 * 0.7 / 15,
            found.MeanProbabilityDifference,
            1e-6,
            "two rows in which two probabilities of 0.8 and 0.1 change places; float32"
        );
        Assert.AreEqual(new ClassChange("a", 2, 0.5, 1, 1, 0, false), found.Classes[0]);
        Assert.AreEqual(
            (2.0 / 3, 1.0 / 3, 0, 1),
            (found.Classes[1].FloatRecall, found.Classes[1].Int8Recall, found.Classes[1].Gained, found.Classes[1].Lost)
        );
        Assert.AreEqual(new ClassChange("c", 0, 0, 0, 0, 0, false), found.Classes[2], "a class without images");
    }

    /// <summary>
    /// Of 15 images, four lost and none gained has the statistic 1.90 at two points; three has 1.63, within what 15
    /// images allow.
    /// </summary>
    [TestMethod]
    [DataRow(4, 0, 15, 0.02, true)]
    [DataRow(3, 0, 15, 0.02, false)]
    [DataRow(4, 1, 15, 0.02, false)]
    [DataRow(4, 0, 15, 0.3, false)]
    [DataRow(0, 6, 15, 0.02, false)]
    [DataRow(60, 20, 1000, 0.02, true)]
    [DataRow(60, 30, 1000, 0.02, false)]
    public void BeyondBound_Loss_CountsWhereTheImagesDoNotExplainIt(
        int lost,
        int gained,
        int images,
        double bound,
        bool beyond
    )
    {
        int[] first = [.. Enumerable.Range(0, images).Select(i => i < gained ? 1 : 0)],
            second = [.. Enumerable.Range(0, images).Select(i => i >= gained && i < gained + lost ? 1 : 0)];
        var found = new ModelComparison(["a", "b", "c"], new int[images], Rows(first), Rows(second), bound);
        Assert.AreEqual(beyond, found.Classes[0].BeyondBound);
        Assert.AreEqual(beyond, found.AccuracyBeyondBound);
        if (beyond)
            StringAssert.Contains(found.Losses(), $"class 'a'");
    }

    private static float[] Rows(params int[] likeliest) =>
        [.. likeliest.SelectMany(l => Enumerable.Range(0, 3).Select(c => c == l ? 0.8f : 0.1f))];
}
