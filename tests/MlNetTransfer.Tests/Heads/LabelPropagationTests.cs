using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class LabelPropagationTests
{
    /// <summary>The graph made and the system solved densely by NumPy, from the features on.</summary>
    [TestMethod]
    [DataRow(12, 40, 8, 3, 5, 0.95)]
    [DataRow(9, 21, 30, 4, 10, 0.5)]
    [DataRow(6, 4, 5, 2, 1000, 0.99)]
    public void Spread_RowsOfClusters_IsTheSolutionOfTheDenseSystem(
        int labelled,
        int unlabelled,
        int width,
        int classes,
        int neighbours,
        double share
    )
    {
        FeatureTable few = Rows.Clusters(labelled, width, classes, 0.7),
            many = Rows.Clusters(unlabelled, width, classes, 0.7, 7);
        double[] expected = Sklearn
            .Run(
                """
                x = np.array(d["few"] + d["many"], dtype=np.float64).reshape(-1, d["width"])
                y = np.eye(d["classes"])[d["labels"]]
                z = np.sign(x) * np.sqrt(np.abs(x))
                z = (z - z.mean(0)) / z.std(0)
                z /= np.linalg.norm(z, axis=1, keepdims=True)
                c = z @ z.T
                np.fill_diagonal(c, -np.inf)
                n, k = len(c), min(d["neighbours"], len(c) - 1)
                w = np.zeros((n, n))
                for i in range(n):
                    for j in np.argsort(-c[i], kind="stable")[:k]:
                        w[i, j] = max(c[i, j], 0) ** 3
                w = w + w.T
                s = w / np.sqrt(np.outer(w.sum(1), w.sum(1)))
                f = np.linalg.solve(np.eye(n) - d["share"] * s, np.vstack([y, np.zeros((n - len(y), y.shape[1]))]))
                f = np.maximum(f[len(y):], 1e-12)
                f /= f.sum(1, keepdims=True)
                f *= y.mean(0) / f.mean(0)
                f /= f.sum(1, keepdims=True)
                r = f.ravel()
                """,
                new
                {
                    few = few.Values,
                    many = many.Values,
                    labels = few.Labels,
                    width,
                    classes,
                    neighbours,
                    share,
                }
            )
            .Doubles();
        float[] found = LabelPropagation.Spread(
            few,
            many,
            new LabelPropagationOptions { Neighbours = neighbours, Share = share }
        );
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5, $"number {i}");
    }

    /// <summary>One label for each of some clusters that lie apart: all others get the label of theirs.</summary>
    [TestMethod]
    public void Spread_ClustersApart_GivesEachItsOwn()
    {
        FeatureTable all = Rows.Clusters(120, 16, 4, 3);
        int[] known = [0, 1, 2, 3],
            rest = [.. Enumerable.Range(4, 116)];
        float[] shares = LabelPropagation.Spread(all.Select(known), all.Select(rest));
        for (int i = 0; i < rest.Length; i++)
        {
            float[] own = shares[(4 * i)..(4 * i + 4)];
            Assert.AreEqual(1, own.Sum(), 1e-6);
            Assert.AreEqual(all.Labels[rest[i]], Array.IndexOf(own, own.Max()), $"row {rest[i]}");
        }
    }

    [TestMethod]
    public void Spread_ThreadsAndLabelsOfTheOthers_ChangeNothing()
    {
        FeatureTable few = Rows.Clusters(20, 12, 4),
            many = Rows.Clusters(80, 12, 4, seed: 5),
            other = new(many.ClassNames, new int[many.Rows], many.Values, many.Width);
        float[] one = LabelPropagation.Spread(few, many, new LabelPropagationOptions { Workers = 1 });
        CollectionAssert.AreEqual(
            one,
            LabelPropagation.Spread(few, other, new LabelPropagationOptions { Workers = 3 })
        );
    }

    [TestMethod]
    public void Spread_RowsThatDoNotFit_AreRefused()
    {
        FeatureTable few = Rows.Clusters(8, 6, 2),
            wide = Rows.Clusters(8, 7, 2),
            none = Rows.Table([], [], 6, 2);
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => LabelPropagation.Spread(few, wide)).Message,
            "8 rows of 7 features"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => LabelPropagation.Spread(few, none)).Message,
            "at least 1 of 6 features"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    LabelPropagation.Spread(few.Select([.. Enumerable.Range(0, 8).Where(i => few.Labels[i] == 0)]), few)
                )
                .Message,
            "'class1' has 0 training rows"
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => new LabelPropagationOptions { Share = 1 });
        Assert.Throws<ArgumentOutOfRangeException>(() => new LabelPropagationOptions { Neighbours = 0 });
    }
}
