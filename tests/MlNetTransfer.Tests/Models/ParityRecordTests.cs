using MlNetTransfer.Models;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class ParityRecordTests
{
    [TestMethod]
    public void Of_KnownDifferences_CountsThem()
    {
        ParityRecord record = ParityRecord.Of(
            [0.9f, 0.1f, 0.5f, 0.5f, 0.2f, 0.8f],
            [0.9f, 0.1f, 0.25f, 0.75f, 0.2f, 0.8f],
            2
        );
        Assert.AreEqual(3, record.Images);
        Assert.AreEqual(0.25, record.MaxDifference);
        Assert.AreEqual(0.5 / 6, record.MeanDifference, 1e-12);
        Assert.AreEqual(1, record.LabelFlips);
        Assert.IsFalse(record.Agrees);
    }

    [TestMethod]
    public void Agrees_WithinTolerance_Only()
    {
        Assert.IsTrue(ParityRecord.Of([0.5f, 0.5f], [0.5005f, 0.4995f], 2).Agrees);
        Assert.IsFalse(ParityRecord.Of([0.5f, 0.5f], [0.502f, 0.498f], 2).Agrees);
    }

    [TestMethod]
    public void Of_NotANumber_DoesNotAgree() =>
        Assert.IsFalse(ParityRecord.Of([0.5f, 0.5f], [float.NaN, float.NaN], 2).Agrees);
}
