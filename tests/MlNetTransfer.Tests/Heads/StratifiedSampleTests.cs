using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class StratifiedSampleTests
{
    private static readonly FeatureTable Table = new(
        ["many", "some", "few"],
        [.. Enumerable.Repeat(0, 900), .. Enumerable.Repeat(1, 97), .. Enumerable.Repeat(2, 3)],
        [.. Enumerable.Range(0, 1000).Select(i => (float)i)],
        1
    );

    [TestMethod]
    public void Of_MoreRowsThanAskedFor_KeepsTheSharesAndAtLeastTwoOfAClass()
    {
        FeatureTable sample = StratifiedSample.Of(Table, 100, seed: 3);
        CollectionAssert.AreEqual(
            new[] { 90, 9, 2 },
            Enumerable.Range(0, 3).Select(c => sample.Labels.Count(l => l == c)).ToArray()
        );
        CollectionAssert.AllItemsAreUnique(sample.Values);
        for (int row = 0; row < sample.Rows; row++)
            Assert.AreEqual(Table.Labels[(int)sample.Values[row]], sample.Labels[row], "A row keeps its label.");
    }

    [TestMethod]
    public void Of_FewerRows_IsTheTableItself() => Assert.AreSame(Table, StratifiedSample.Of(Table, 1000, seed: 3));

    [TestMethod]
    public void Of_SameSeed_GivesTheSameRows() =>
        CollectionAssert.AreEqual(StratifiedSample.Of(Table, 50, 1).Values, StratifiedSample.Of(Table, 50, 1).Values);
}
