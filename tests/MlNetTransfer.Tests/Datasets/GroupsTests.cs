using FsCheck;
using FsCheck.Fluent;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class GroupsTests
{
    [TestMethod]
    public void Of_NamesAndNulls_NullsStandAlone() =>
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 0, 3 }, Groups.Of(["a", null, "b", "a", null]));

    [TestMethod]
    public void OfDigests_EqualBytes_AreOneGroup()
    {
        CollectionAssert.AreEqual(new[] { 0, 1, 0 }, Groups.OfDigests([1, 2, 3, 4, 1, 2], length: 2));
        Assert.ThrowsExactly<ArgumentException>(() => Groups.OfDigests([1, 2, 3], length: 2));
    }

    [TestMethod]
    public void Combine_Chain_IsOneGroup() =>
        CollectionAssert.AreEqual(new[] { 0, 0, 0, 0, 1 }, Groups.Combine([5, 5, 6, 6, 7], [1, 2, 2, 3, 4]));

    [TestMethod]
    public void Combine_OtherLength_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => Groups.Combine([1, 2], [1]));

    [TestMethod]
    public void Combine_Any_IsTheClosureOfBoth() =>
        Prop.ForAll(
                Gen.Choose(0, 5).SelectMany(a => Gen.Choose(0, 5).Select(b => (a, b))).ArrayOf().ToArbitrary(),
                pairs =>
                {
                    int n = pairs.Length;
                    // The oracle: reachability by Warshall.
                    var linked = new bool[n, n];
                    for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++)
                        linked[i, j] = pairs[i].a == pairs[j].a || pairs[i].b == pairs[j].b;
                    for (int k = 0; k < n; k++)
                    for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++)
                        linked[i, j] |= linked[i, k] && linked[k, j];
                    int[] combined = Groups.Combine([.. pairs.Select(p => p.a)], [.. pairs.Select(p => p.b)]);
                    return Enumerable
                        .Range(0, n)
                        .All(i => Enumerable.Range(0, n).All(j => linked[i, j] == (combined[i] == combined[j])));
                }
            )
            .QuickCheckThrowOnFailure();
}
