using FsCheck;
using FsCheck.Fluent;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class StratifiedTests
{
    private static Arbitrary<int[]> Labels =>
        Gen.Choose(0, 6).ArrayOf().Where(labels => labels.Length >= 2).ToArbitrary();

    [TestMethod]
    public void Assign_AnyLabels_FoldsDifferByOneAtMost() =>
        Prop.ForAll(
                Labels,
                labels =>
                {
                    int folds = Math.Min(4, labels.Length);
                    int[] fold = StratifiedFolds.Assign(labels, folds, 3);
                    static bool Even(IEnumerable<int> members, int folds)
                    {
                        int[] sizes = [.. Enumerable.Range(0, folds).Select(f => members.Count(m => m == f))];
                        return sizes.Max() - sizes.Min() <= 1;
                    }

                    return Even(fold, folds)
                        && Enumerable.Range(0, 7).All(c => Even(fold.Where((_, i) => labels[i] == c), folds));
                }
            )
            .QuickCheckThrowOnFailure();

    [TestMethod]
    public void TrainTest_AnyLabels_KeepsItsPromises() =>
        Prop.ForAll(
                Labels,
                labels =>
                {
                    TrainTestRows split = StratifiedSplit.TrainTest(labels, 0.3, 11);
                    bool all = split.Train.Concat(split.Test).Order().SequenceEqual(Enumerable.Range(0, labels.Length));
                    return all
                        && Enumerable
                            .Range(0, 7)
                            .All(c =>
                            {
                                int n = labels.Count(label => label == c),
                                    test = split.Test.Count(row => labels[row] == c);
                                return test == (n < 2 ? 0 : Math.Clamp((int)Math.Round(0.3 * n), 1, n - 1));
                            });
                }
            )
            .QuickCheckThrowOnFailure();

    [TestMethod]
    public void TrainTest_SeedDecides()
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(i => i % 3)];
        CollectionAssert.AreEqual(
            StratifiedSplit.TrainTest(labels, 0.2, 1).Test.ToArray(),
            StratifiedSplit.TrainTest(labels, 0.2, 1).Test.ToArray()
        );
        CollectionAssert.AreNotEqual(
            StratifiedSplit.TrainTest(labels, 0.2, 1).Test.ToArray(),
            StratifiedSplit.TrainTest(labels, 0.2, 2).Test.ToArray()
        );
    }

    [TestMethod]
    public void Assign_MoreFoldsThanRows_IsRefused() =>
        Assert.ThrowsExactly<OutOfRangeException>(() => StratifiedFolds.Assign([0, 1], 3, 0));

    [TestMethod]
    public void TrainTest_NegativeLabel_IsNamed() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => StratifiedSplit.TrainTest([0, -1], 0.5, 0)).Message,
            "Row 1 has label -1"
        );
}
