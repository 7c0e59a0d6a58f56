using MlNetTransfer.Checks;
using MlNetTransfer.Features;

namespace MlNetTransfer.Tests.Checks;

/// <summary>Oracle: the rule of the paper, written in numpy; Bayes' rule by counting.</summary>
[TestClass]
public sealed class ConfidentLearningTests
{
    private const string Rule = """
        p, y = np.array(d["p"]).reshape(len(d["y"]), -1).astype(np.float32).astype(float), np.array(d["y"])
        k = p.shape[1]
        t = np.array([p[y == c, c].mean() if (y == c).any() else np.inf for c in range(k)])
        r = [int(max((c for c in range(k) if q[c] >= t[c]), key=lambda c: q[c], default=-1)) for q in p]
        """;

    [TestMethod]
    [DataRow(3, 1)]
    [DataRow(7, 2)]
    [DataRow(2, 3)]
    public void Counted_RandomProbabilities_IsThatOfThePaper(int classes, int seed)
    {
        var rng = new Random(seed);
        int[] labels = [.. Enumerable.Range(0, 200).Select(_ => rng.Next(classes))];
        float[] p = Probabilities(rng, labels, classes);
        int[] expected = [.. Sklearn.Run(Rule, new { p, y = labels }).Doubles().Select(c => (int)c)];
        CollectionAssert.AreEqual(expected, ConfidentLearning.Counted(p, labels, classes));
        Assert.IsTrue(expected.Contains(-1), "Some rows reach no threshold.");
        Assert.IsTrue(expected.Where((c, i) => c >= 0 && c != labels[i]).Any(), "Some are counted to another class.");
    }

    [TestMethod]
    public void Counted_ClassWithoutRows_IsNeverTaken()
    {
        int[] counted = ConfidentLearning.Counted([0.1f, 0.2f, 0.7f, 0.2f, 0.1f, 0.7f], [0, 1], 3);
        Assert.IsFalse(counted.Contains(2));
    }

    /// <summary>Counts of a population: 10 % of the labels wrong, the wrong ones spread over the other classes.</summary>
    [TestMethod]
    [DataRow(0.2, 5)]
    [DataRow(0.003, 10)]
    [DataRow(0.0, 2)]
    public void IsWrong_Population_IsTheShareThatIsWrong(double own, int classes)
    {
        // Of images like this one a share 'own' is of the class; those are labelled so 9 times in 10, others 1 in 10 (k-1).
        double right = own * 0.9,
            wrong = (1 - own) * 0.1 / (classes - 1);
        Assert.AreEqual(wrong / (right + wrong), ConfidentLearning.IsWrong(own, classes), 1e-12);
    }

    [TestMethod]
    public void Predict_FlippedLabels_AreFoundAndCopiesStayTogether()
    {
        // Three clusters far apart, one row of each labelled as the next, and a copy of one of these with its label.
        const int perClass = 20,
            width = 8;
        var rng = new Random(1);
        var labels = new int[3 * perClass + 1];
        var values = new float[labels.Length * width];
        for (int row = 0; row < labels.Length; row++)
        {
            labels[row] = row / perClass % 3;
            for (int i = 0; i < width; i++)
                values[row * width + i] = (i == labels[row] ? 4 : 0) + (float)rng.NextDouble();
        }

        int[] flipped = [0, perClass, 2 * perClass];
        foreach (int row in flipped)
            labels[row] = (labels[row] + 1) % 3;
        values.AsSpan(0, width).CopyTo(values.AsSpan(3 * perClass * width));
        labels[^1] = labels[0];
        var table = new FeatureTable(["a", "b", "c"], labels, values, width);
        int[] together = [.. Enumerable.Range(0, labels.Length - 1), 0];
        LabelErrors found = LabelErrors.Predict(table, together, 1, 1, null, CancellationToken.None).Found!;
        double[] beliefs = found.Beliefs();
        int[] doubted = [.. Enumerable.Range(0, labels.Length).OrderBy(row => beliefs[row]).Take(4).Order()];
        CollectionAssert.AreEqual((int[])[.. flipped, labels.Length - 1], doubted);
    }

    [TestMethod]
    public void Predict_OneImagePerClassOrOneClass_SaysWhyNot()
    {
        var table = new FeatureTable(["a", "b"], [0, 1], [1, 2, 3, 4], 2);
        StringAssert.Contains(LabelErrors.Predict(table, [0, 1], 1, 1, null, default).Note, "can be held out");
        table = new FeatureTable(["a"], [0, 0], [1, 2, 3, 4], 2);
        StringAssert.Contains(LabelErrors.Predict(table, [0, 1], 1, 1, null, default).Note, "one class only");
        table = new FeatureTable(["a", "b"], [0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1], 2);
        StringAssert.Contains(
            LabelErrors.Predict(table, [0, 0, 0, 0], 1, 1, null, default).Note,
            "can be held out",
            "all images are one"
        );
    }

    private static float[] Probabilities(Random rng, int[] labels, int classes)
    {
        var p = new float[labels.Length * classes];
        for (int row = 0; row < labels.Length; row++)
        {
            double[] raw =
            [
                .. Enumerable.Range(0, classes).Select(c => rng.NextDouble() + (c == labels[row] ? 0.4 : 0)),
            ];
            for (int c = 0; c < classes; c++)
                p[row * classes + c] = (float)(raw[c] / raw.Sum());
        }

        return p;
    }
}
