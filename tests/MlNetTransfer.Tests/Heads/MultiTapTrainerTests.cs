using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class MultiTapTrainerTests
{
    private static readonly TapGroups Groups = new(["early", "late"], [30, 10]);

    [TestMethod]
    public void Fit_InformativeFeaturesInOneTap_KeepsThose()
    {
        (FeatureTable table, int[] informative) = Table(150, 1000);
        MultiTapHead head = new MultiTapTrainer(Groups, new MultiTapTrainerOptions { Fraction = 0.1 }).Fit(table);
        int[] used =
        [
            .. Enumerable.Range(0, 40).Where(i => Enumerable.Range(0, 3).Any(c => head.Weights.Span[c * 40 + i] != 0)),
        ];
        CollectionAssert.AreEqual(informative, used);
        CollectionAssert.AreEqual((int[])[0, 4], head.KeptPerTap.ToArray());
    }

    [TestMethod]
    public void Fit_Fraction_HasTheLowestLossOfThoseTried()
    {
        (FeatureTable table, _) = Table(90, 1);
        MultiTapHead head = new MultiTapTrainer(Groups).Fit(table);
        Assert.HasCount(8, head.Trials);
        Assert.AreEqual(head.Trials.MinBy(trial => trial.LogLoss)!.Choice, head.Fraction);
        Assert.IsLessThan(1, head.Fraction, "36 of 40 features are noise");
    }

    [TestMethod]
    public void Fit_NothingSelected_ScaleOfATapChangesNothing()
    {
        float[][] p =
        [
            .. new[] { 1f, 1024f }.Select(scale =>
            {
                (FeatureTable table, _) = Table(60, scale);
                return new MultiTapTrainer(Groups, new MultiTapTrainerOptions { Fraction = 1 })
                    .Fit(table)
                    .Predict(table);
            }),
        ];
        for (int i = 0; i < p[0].Length; i++)
            Assert.AreEqual(p[0][i], p[1][i], 1e-5, "float32");
    }

    [TestMethod]
    public void Fit_LabelsWithoutRelation_SelectionInsideTheFoldsSeesThrough()
    {
        // Chosen from all rows at once, the best of 600 noise features would seem to tell the classes apart in every
        // fold.
        FeatureTable table = Rows.Clusters(60, 600, 2, 0);
        MultiTapHead head = new MultiTapTrainer(new TapGroups(["noise"], [600])).Fit(table);
        foreach (Compared<double> trial in head.Trials)
            Assert.AreEqual(0.5, trial.Accuracy, 0.26, "four standard errors of 60 coin throws");
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        (FeatureTable table, _) = Table(60, 1);
        float[][] weights =
        [
            .. new[] { 1, 4 }.Select(workers =>
                new MultiTapTrainer(Groups, new MultiTapTrainerOptions { Workers = workers })
                    .Fit(table)
                    .Weights.ToArray()
            ),
        ];
        CollectionAssert.AreEqual(weights[0], weights[1]);
    }

    [TestMethod]
    public void Fit_OneRowPerClass_KeepsAll()
    {
        MultiTapHead head = new MultiTapTrainer(new TapGroups(["a", "b"], [2, 3])).Fit(Rows.Clusters(3, 5, 3));
        Assert.AreEqual(1, head.Fraction);
        Assert.IsEmpty(head.Trials);
    }

    [TestMethod]
    public void Fit_OtherWidth_NamesBoth()
    {
        string message = Assert
            .ThrowsExactly<ArgumentException>(() => new MultiTapTrainer(Groups).Fit(Rows.Clusters(9, 5, 3)))
            .Message;
        StringAssert.Contains(message, "40 features");
        StringAssert.Contains(message, "have 5");
    }

    [TestMethod]
    public void Groups_WithoutTapOrFeature_AreRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => new TapGroups([], []));
        Assert.ThrowsExactly<ArgumentException>(() => new TapGroups(["a"], [1, 2]));
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => new TapGroups(["a", "b"], [1, 0])).Message,
            "'b'"
        );
    }

    // 40 features of unit noise, the late ones times a scale; four of the late ones are moved by the class.
    private static (FeatureTable Table, int[] Informative) Table(int rows, float scale)
    {
        var rng = new Rng(8);
        int[] informative = [31, 33, 36, 38],
            labels = [.. Enumerable.Range(0, rows).Select(i => i % 3)];
        double[] shift = [.. Enumerable.Range(0, 12).Select(i => (i % 4 + i / 4) % 3 - 1.0)];
        var values = new float[rows * 40];
        for (int i = 0; i < values.Length; i++)
        {
            int at = Array.IndexOf(informative, i % 40);
            values[i] =
                (float)(rng.NextNormal() + (at < 0 ? 0 : 2 * shift[labels[i / 40] * 4 + at]))
                * (i % 40 < 30 ? 1 : scale);
        }

        return (Rows.Table(labels, values, 40, 3), informative);
    }
}
