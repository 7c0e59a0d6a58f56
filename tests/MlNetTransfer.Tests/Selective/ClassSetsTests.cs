using MlNetTransfer.Selective;

namespace MlNetTransfer.Tests.Selective;

[TestClass]
public sealed class ClassSetsTests
{
    [TestMethod]
    [DataRow(40, 3, 0.9)]
    [DataRow(157, 10, 0.9)]
    [DataRow(301, 7, 0.75)]
    public void Of_AnyRows_ThresholdsAreNumpys(int rows, int classes, double coverage)
    {
        (int[] labels, float[] said) = Guesses(rows, classes, 3);
        double[] expected = Sklearn
            .Run(
                """
                p = np.array(d['p'], dtype=np.float32).astype(np.float64).reshape(len(d['y']), -1)
                y = np.array(d['y']); n, k = p.shape
                order = np.argsort(-p, axis=1, kind='stable')
                rank = np.array([list(o).index(c) for o, c in zip(order, y)])
                down = np.cumsum(np.take_along_axis(p, order, 1), axis=1)[np.arange(n), rank] - p[np.arange(n), y]
                free = max(1, int(np.round(np.sqrt(k))))
                def quantile(s):
                    place = int(np.ceil((n + 1) * d['c']))
                    return float(np.sort(s)[place - 1])
                r = [quantile(1 - p[np.arange(n), y]), quantile(down + 0.01 * np.maximum(0, rank + 1 - free)), free]
                """,
                new
                {
                    p = said,
                    y = labels,
                    c = coverage,
                }
            )
            .Doubles();
        ClassSets sets = ClassSets.Of(labels, said, classes, coverage);
        Assert.AreEqual(expected[0], sets.Lac, 1e-12, "one float32 less than 1, in double");
        Assert.AreEqual(expected[1], sets.Raps, 1e-12, "sums of float32 in double, in another order");
        Assert.AreEqual(expected[2], sets.FreeClasses);
    }

    [TestMethod]
    [DataRow(ClassSetKind.Lac)]
    [DataRow(ClassSetKind.Raps)]
    public void Of_RowsThatSetTheThreshold_HoldsTheTrueClassAsOftenAsTheRankSays(ClassSetKind kind)
    {
        (int[] labels, float[] said) = Guesses(200, 6, 8);
        ClassSets sets = ClassSets.Of(labels, said, 6, 0.9);
        int held = said.Chunk(6).Where((row, i) => sets.Of(row, kind).Contains(labels[i])).Count();
        // ⌈201 · 0.9⌉ = 181 scores are at most the threshold; the likeliest class, which is always in, may add some.
        Assert.IsTrue(held >= 181, $"{held} of 200");
    }

    [TestMethod]
    [DataRow(ClassSetKind.Lac)]
    [DataRow(ClassSetKind.Raps)]
    public void Of_ExchangeableRows_CoversAsPromisedOnNewRows(ClassSetKind kind)
    {
        const int draws = 200,
            rows = 100;
        double covered = 0;
        for (int draw = 0; draw < draws; draw++)
        {
            (int[] labels, float[] said) = Guesses(2 * rows, 5, 100 + draw);
            ClassSets sets = ClassSets.Of(labels[..rows], said.AsMemory(0, 5 * rows), 5, 0.9);
            covered += said[(5 * rows)..]
                .Chunk(5)
                .Where((row, i) => sets.Of(row, kind).Contains(labels[rows + i]))
                .Count();
        }

        // Coverage given the calibration rows is Beta(91, 10) with a standard deviation of 0.030, and 100 rows add as
        // much by drawing: 200 draws give a standard error of 0.003; four of them below 0.9 is one in 30,000.
        double found = covered / (draws * rows);
        Assert.IsTrue(found >= 0.9 - 0.012, $"{found}");
        // Not far above either, or the sets are larger than they need be.
        Assert.IsTrue(found <= 0.925, $"{found}");
    }

    [TestMethod]
    public void Of_FewRows_GivesAllClasses()
    {
        // 8 rows: ⌈9 · 0.9⌉ = 9 is more than there are, so nothing less than all classes can promise 90 %.
        (int[] labels, float[] said) = Guesses(8, 4, 1);
        ClassSets sets = ClassSets.Of(labels, said, 4, 0.9);
        foreach (ClassSetKind kind in Enum.GetValues<ClassSetKind>())
            Assert.HasCount(4, sets.Of(said.AsSpan(0, 4), kind));
    }

    [TestMethod]
    public void Of_AllRight_GivesTheLikeliestAlone()
    {
        int[] labels = [.. Enumerable.Range(0, 40).Select(i => i % 2)];
        float[] said = [.. labels.SelectMany(label => label == 0 ? new[] { 0.9f, 0.1f } : [0.1f, 0.9f])];
        ClassSets sets = ClassSets.Of(labels, said, 2, 0.9);
        CollectionAssert.AreEqual(new[] { 1 }, sets.Of([0.05f, 0.95f], ClassSetKind.Lac));
        Assert.AreEqual(1, sets.Checked[0].Coverage);
        Assert.AreEqual(1, sets.Checked[0].MeanSize);
    }

    [TestMethod]
    public void Of_AllWrong_GivesBothClasses()
    {
        int[] labels = [.. Enumerable.Range(0, 40).Select(i => i % 2)];
        float[] said = [.. labels.SelectMany(label => label == 1 ? new[] { 0.9f, 0.1f } : [0.1f, 0.9f])];
        ClassSets sets = ClassSets.Of(labels, said, 2, 0.9);
        foreach (ClassSetKind kind in Enum.GetValues<ClassSetKind>())
            CollectionAssert.AreEqual(new[] { 1, 0 }, sets.Of([0.1f, 0.9f], kind));
    }

    /// <summary>Softmax of normal logits, and labels drawn by other such probabilities: overconfident on purpose.</summary>
    internal static (int[] Labels, float[] Said) Guesses(int rows, int classes, int seed, double sharper = 1.7)
    {
        var rng = new Rng(seed);
        var labels = new int[rows];
        var said = new float[rows * classes];
        for (int i = 0; i < rows; i++)
        {
            double[] logits = [.. Enumerable.Range(0, classes).Select(_ => 1.5 * rng.NextNormal())];
            double at = rng.NextDouble() * logits.Sum(Math.Exp);
            int label = 0;
            while (label < classes - 1 && (at -= Math.Exp(logits[label])) > 0)
                label++;
            labels[i] = label;
            double sum = logits.Sum(z => Math.Exp(sharper * z));
            for (int c = 0; c < classes; c++)
                said[i * classes + c] = (float)(Math.Exp(sharper * logits[c]) / sum);
        }

        return (labels, said);
    }
}
