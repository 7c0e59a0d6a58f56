using System.Text.Json;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Tests.Evaluation;

/// <summary>Oracles: scikit-learn, scipy, and the share of intervals that hold the truth.</summary>
[TestClass]
public sealed class ClassificationMetricsTests
{
    [TestMethod]
    public void Of_RandomPredictions_MatchesSklearn()
    {
        (int[] labels, float[] p) = Predictions(300, 5, 4);
        ClassificationMetrics found = ClassificationMetrics.Of(labels, p, 5);
        JsonElement expected = Sklearn.Run(
            """
            from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, top_k_accuracy_score
            y, P = np.array(d['labels']), np.array(d['p']).reshape(len(d['labels']), -1)
            P = P / P.sum(1, keepdims=True)
            prior = np.bincount(y) / len(y)
            loss = log_loss(y, P)
            r = [
                balanced_accuracy_score(y, P.argmax(1)),
                f1_score(y, P.argmax(1), average='macro'),
                loss,
                1 - loss / -(prior * np.log(prior)).sum(),
                ((P - np.eye(P.shape[1])[y]) ** 2).sum(1).mean(),
                top_k_accuracy_score(y, P, k=3),
            ]
            """,
            new { labels, p }
        );
        Estimate[] all =
        [
            found.BalancedAccuracy,
            found.MacroF1,
            found.LogLoss,
            found.LogLossReduction,
            found.Brier,
            found.Top3Accuracy,
        ];
        double[] values = expected.Doubles();
        for (int i = 0; i < all.Length; i++)
        {
            Assert.AreEqual(values[i], all[i].Value, 1e-5, $"figure {i}: probabilities are float32");
            Assert.IsTrue(all[i].Low < all[i].Value && all[i].Value < all[i].High, $"figure {i}");
        }
    }

    /// <summary>
    /// The truth is the figure of 200,000 rows of the same kind. Of 100 intervals of 95 % some 95 hold it; fewer than 88
    /// would be so by chance once in a thousand times.
    /// </summary>
    [TestMethod]
    public void Intervals_OfManySamples_HoldTheTruthAsOftenAsTheySay()
    {
        (int[] many, float[] said) = Predictions(200_000, 3, 1);
        ClassificationMetrics truth = ClassificationMetrics.Of(many, said, 3);
        int f1 = 0,
            loss = 0;
        for (int sample = 0; sample < 100; sample++)
        {
            (int[] labels, float[] p) = Predictions(200, 3, 1000 + sample);
            ClassificationMetrics found = ClassificationMetrics.Of(labels, p, 3);
            f1 += found.MacroF1.Low <= truth.MacroF1.Value && truth.MacroF1.Value <= found.MacroF1.High ? 1 : 0;
            loss += found.LogLoss.Low <= truth.LogLoss.Value && truth.LogLoss.Value <= found.LogLoss.High ? 1 : 0;
        }

        Assert.IsGreaterThanOrEqualTo(88, f1);
        Assert.IsGreaterThanOrEqualTo(88, loss);
    }

    [TestMethod]
    [DataRow(0, 0)]
    [DataRow(5, 5)]
    [DataRow(12, 3)]
    [DataRow(0, 8)]
    [DataRow(150, 120)]
    public void ExactP_AnyCounts_IsScipysBinomialTest(int gained, int lost)
    {
        double expected =
            gained + lost == 0
                ? 1
                : Sklearn
                    .Run(
                        """
                        from scipy.stats import binomtest
                        r = [binomtest(d['k'], d['n'], 0.5).pvalue]
                        """,
                        new { k = gained, n = gained + lost }
                    )
                    .Doubles()[0];
        Assert.AreEqual(expected, McNemar.ExactP(gained, lost), 1e-9);
    }

    // Scores that lean towards the truth.
    private static (int[] Labels, float[] P) Predictions(int rows, int classes, int seed)
    {
        var rng = new Rng(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i < classes ? i : rng.Next(classes))];
        var p = new float[rows * classes];
        for (int i = 0; i < rows; i++)
        {
            double[] e =
            [
                .. Enumerable.Range(0, classes).Select(c => Math.Exp(rng.NextNormal() + (c == labels[i] ? 1 : 0))),
            ];
            for (int c = 0; c < classes; c++)
                p[i * classes + c] = (float)(e[c] / e.Sum());
        }

        return (labels, p);
    }
}
