using System.Text.Json;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Tests.Evaluation;

[TestClass]
public sealed class ClassificationReportTests
{
    private static readonly string[] Names = ["ant", "bee", "cat"];

    [TestMethod]
    public void Of_RandomPredictions_MatchesSklearn()
    {
        (int[] labels, float[] probabilities) = Draw(400, 5);
        ClassificationReport report = ClassificationReport.Of(["a", "b", "c", "d", "e"], labels, probabilities);
        JsonElement expected = Sklearn.Run(
            """
            from sklearn.metrics import accuracy_score, log_loss, confusion_matrix, precision_recall_fscore_support
            y, p = np.array(d['labels']), np.array(d['probabilities'], dtype=np.float64).reshape(-1, 5)
            q, top = p.argmax(1), p.max(1)
            gaps = [(lambda m: m.mean() * abs((q == y)[m].mean() - top[m].mean()) if m.any() else 0)((top > i / 15) & (top <= (i + 1) / 15)) for i in range(15)]
            s = precision_recall_fscore_support(y, q, labels=range(5), zero_division=0)
            r = dict(accuracy=accuracy_score(y, q), loss=log_loss(y, p, eps=1e-15, labels=range(5)), ece=sum(gaps), confusion=confusion_matrix(y, q, labels=range(5)).ravel(),
                     precision=s[0], recall=s[1], f1=s[2], support=s[3], macro=s[2].mean())
            """,
            new { labels, probabilities }
        );
        Assert.AreEqual(expected.GetProperty("accuracy").GetDouble(), report.Accuracy, 1e-15);
        Assert.AreEqual(
            expected.GetProperty("loss").GetDouble(),
            report.LogLoss,
            1e-6,
            "scikit-learn renormalises float32 rows, whose sums are off by 1e-7"
        );
        Assert.AreEqual(
            expected.GetProperty("ece").GetDouble(),
            report.CalibrationError,
            1e-9,
            "float32 read as double on both sides"
        );
        Assert.AreEqual(expected.GetProperty("macro").GetDouble(), report.MacroF1, 1e-12);
        CollectionAssert.AreEqual(
            expected.GetProperty("confusion").Doubles(),
            report.Confusion.SelectMany(row => row).Select(n => (double)n).ToArray()
        );
        for (int c = 0; c < 5; c++)
        {
            Assert.AreEqual(expected.GetProperty("precision")[c].GetDouble(), report.PerClass[c].Precision, 1e-12);
            Assert.AreEqual(expected.GetProperty("recall")[c].GetDouble(), report.PerClass[c].Recall, 1e-12);
            Assert.AreEqual(expected.GetProperty("f1")[c].GetDouble(), report.PerClass[c].F1, 1e-12);
            Assert.AreEqual(expected.GetProperty("support")[c].GetInt32(), report.PerClass[c].Support);
        }
    }

    [TestMethod]
    public void Of_UniformPredictions_LossIsLogOfClasses()
    {
        float third = 1f / 3;
        ClassificationReport report = ClassificationReport.Of(Names, [0, 1, 2, 0], [.. Enumerable.Repeat(third, 12)]);
        Assert.AreEqual(Math.Log(3), report.LogLoss, 1e-7, "1/3 in float32");
        Assert.AreEqual(0.5, report.Accuracy, "ties go to the lower index: class 0 is right twice of four");
        Assert.AreEqual(0.5 - third, report.CalibrationError, 1e-12);
    }

    [TestMethod]
    public void Of_ConfidentMistake_IsClipped()
    {
        ClassificationReport report = ClassificationReport.Of(Names, [2], [1, 0, 0]);
        Assert.AreEqual(-Math.Log(1e-15), report.LogLoss, 1e-12);
        Assert.AreEqual(1, report.CalibrationError);
        Assert.AreEqual(0, report.AccuracyInterval.Low);
    }

    [TestMethod]
    public void Of_ClassNeitherThereNorPredicted_ScoresZero()
    {
        ClassificationReport report = ClassificationReport.Of(Names, [0, 1], [1, 0, 0, 0, 1, 0]);
        Assert.AreEqual(new ClassScore("cat", 0, 0, 0, 0), report.PerClass[2]);
        Assert.AreEqual(2.0 / 3, report.MacroF1, 1e-15);
        Assert.AreEqual(WilsonInterval.Of(2, 2), report.AccuracyInterval);
    }

    [TestMethod]
    public void Of_Logits_AreRefusedWithTheFix()
    {
        ArgumentException e = Assert.ThrowsExactly<ArgumentException>(() =>
            ClassificationReport.Of(Names, [0], [3, 1, 2])
        );
        StringAssert.Contains(e.Message, "sum to 6 instead of 1");
        StringAssert.Contains(e.Message, "softmax");
    }

    [TestMethod]
    public void Of_BadInput_IsRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => ClassificationReport.Of(Names, [], []));
        Assert.ThrowsExactly<ArgumentException>(() => ClassificationReport.Of(Names, [0], [1, 0]));
        Assert.ThrowsExactly<ArgumentException>(() => ClassificationReport.Of(Names, [3], [1, 0, 0]));
        Assert.ThrowsExactly<ArgumentException>(() => ClassificationReport.Of(Names, [0], [float.NaN, 0, 0]));
    }

    private static (int[] Labels, float[] Probabilities) Draw(int rows, int classes)
    {
        var rng = new Rng(5);
        int[] labels = [.. Enumerable.Range(0, rows).Select(_ => rng.Next(classes))];
        var probabilities = new float[rows * classes];
        for (int i = 0; i < rows; i++)
        {
            double[] odds =
            [
                .. Enumerable.Range(0, classes).Select(c => Math.Exp(2 * rng.NextNormal() + (c == labels[i] ? 2 : 0))),
            ];
            for (int c = 0; c < classes; c++)
                probabilities[i * classes + c] = (float)(odds[c] / odds.Sum());
        }

        return (labels, probabilities);
    }
}
