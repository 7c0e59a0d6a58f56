using MlNetTransfer.Jobs;

namespace MlNetTransfer.Tests.Jobs;

[TestClass]
public sealed class EvaluationProtocolTests
{
    private static readonly TrainOptions Plain = new() { Folder = "x", Output = "y" };

    [TestMethod]
    [DataRow(20, 20, 5)]
    [DataRow(249, 250, 5)]
    [DataRow(400, 99, 5)]
    [DataRow(5, 5, 5)]
    [DataRow(4, 90, 4)]
    [DataRow(2, 3, 2)]
    public void Of_FewImages_CrossValidatesInAsManyFoldsAsTheSmallestClassAllows(int first, int second, int folds)
    {
        EvaluationProtocol found = Of(Plain, [first, second]);
        Assert.AreEqual(ProtocolKind.CrossValidation, found.Kind);
        Assert.AreEqual(folds, found.Folds);
        Assert.IsFalse(found.Asked);
    }

    /// <summary>100 is the first number of images of which 0.2 are 20.</summary>
    [TestMethod]
    [DataRow(100, 400)]
    [DataRow(250, 250)]
    [DataRow(10_000, 100)]
    public void Of_ManyImages_HoldsAFifthOut(int first, int second)
    {
        EvaluationProtocol found = Of(Plain, [first, second]);
        Assert.AreEqual(ProtocolKind.HeldOut, found.Kind);
        Assert.AreEqual((0, 0.2), (found.Folds, found.TestFraction));
    }

    [TestMethod]
    public void Of_ManyImagesButOneSmallClass_NamesIt() =>
        StringAssert.Contains(Of(Plain, [1000, 99]).Reason, "'dog' has 99");

    [TestMethod]
    public void Of_FewGroups_HasNoMoreFoldsThanThey()
    {
        Assert.AreEqual(3, EvaluationProtocol.Of(Plain, ["cat", "dog"], [60, 60], [3, 60], false).Folds);
        Assert.AreEqual(2, EvaluationProtocol.Of(Plain, ["cat", "dog"], [60, 60], [1, 60], false).Folds);
    }

    [TestMethod]
    public void Of_WhatIsAskedFor_Decides()
    {
        EvaluationProtocol fraction = Of(Plain with { TestFraction = 0.3 }, [4, 4]),
            folds = Of(Plain with { Folds = 7 }, [900, 900]);
        Assert.AreEqual((ProtocolKind.HeldOut, 0.3, true), (fraction.Kind, fraction.TestFraction, fraction.Asked));
        Assert.AreEqual((ProtocolKind.CrossValidation, 7, true), (folds.Kind, folds.Folds, folds.Asked));
    }

    [TestMethod]
    public void Of_OwnSplit_Decides() =>
        Assert.AreEqual(ProtocolKind.OwnSplit, EvaluationProtocol.Of(Plain, ["cat", "dog"], [4, 4], [4, 4], true).Kind);

    private static EvaluationProtocol Of(TrainOptions options, int[] images) =>
        EvaluationProtocol.Of(options, ["cat", "dog"], images, images, split: false);
}
