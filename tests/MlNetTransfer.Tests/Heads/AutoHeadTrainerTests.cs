using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class AutoHeadTrainerTests
{
    [TestMethod]
    public void Select_Default_FollowsItsRuleAndCalibrates()
    {
        FeatureTable table = Rows.Clusters(150, 12, 3, 0.4);
        HeadSelection found = new AutoHeadTrainer().Select(table);
        CollectionAssert.AreEqual(
            (string[])["discriminant", "ridge", "softmax", "kernel"],
            found.Trials.Select(trial => trial.Name).ToArray()
        );
        Assert.AreEqual(150, found.Rows);
        HeadTrial best = found.Trials.MinBy(trial => trial.LogLoss)!;
        Assert.AreEqual(0, best.Behind);
        foreach (HeadTrial trial in found.Trials)
            Assert.AreEqual(
                trial.LogLoss - best.LogLoss,
                trial.Behind,
                1e-12,
                "the mean of differences is the difference of means"
            );
        Assert.AreEqual(found.Trials.First(trial => trial.Behind <= trial.BehindError).Name, found.Name);
        OutOfFoldPredictions held = CrossValidation.OutOfFold(
            new RidgeTrainer(),
            table,
            CrossValidation.Folds(table.Labels, 5, 0, table.ClassNames)
        );
        Assert.AreEqual(TemperatureCalibration.Fit(held).LogLoss, found.Trials[1].LogLoss, 1e-9);
    }

    [TestMethod]
    public void Select_OneClearlyBetter_TakesItOverSimplerOnes()
    {
        // XOR of two features: nothing linear tells the classes apart, neighbours do.
        FeatureTable blobs = Rows.Clusters(200, 2, 2, 0);
        int[] labels = [.. Enumerable.Range(0, 200).Select(i => i % 4 is 0 or 3 ? 0 : 1)];
        float[] values =
        [
            .. Enumerable
                .Range(0, 200)
                .SelectMany(i => new[] { (i % 4 / 2 * 8) + blobs.Row(i)[0], (i % 2 * 8) + blobs.Row(i)[1] }),
        ];
        HeadCandidate[] candidates =
        [
            new("ridge", new RidgeTrainer()),
            new("neighbours", new KNearestNeighboursTrainer(new KNearestNeighboursTrainerOptions { Neighbours = 15 })),
            new("softmax", new SoftmaxTrainer()),
        ];
        FeatureTable table = Rows.Table(labels, values, 2, 2);
        HeadSelection found = new AutoHeadTrainer(candidates: candidates).Select(table);
        Assert.AreEqual("neighbours", found.Name);
        Assert.IsInstanceOfType<CalibratedHead>(found.Head);
        Assert.AreEqual(found.Temperature, ((CalibratedHead)found.Head).Temperature);
    }

    [TestMethod]
    public void Select_EqualCandidates_TakesTheFirst()
    {
        HeadCandidate[] candidates = [new("a", new NearestMeanTrainer()), new("b", new NearestMeanTrainer())];
        Assert.AreEqual("a", new AutoHeadTrainer(candidates: candidates).Select(Rows.Clusters(60, 5, 3)).Name);
    }

    [TestMethod]
    public void Select_OneRowPerClass_IsRidgeWithoutTrials()
    {
        FeatureTable table = Rows.Clusters(4, 8, 4);
        HeadSelection found = new AutoHeadTrainer().Select(table);
        Assert.AreEqual("ridge", found.Name);
        Assert.IsEmpty(found.Trials);
        CollectionAssert.AreEqual(new RidgeTrainer().Fit(table).Predict(table), found.Head.Predict(table));
    }

    [TestMethod]
    public void Select_ManyRows_ComparesOnAThinnedTable()
    {
        HeadCandidate[] candidates =
        [
            new("a", new NearestMeanTrainer()),
            new("big", new RidgeTrainer(), FromRows: 2001),
        ];
        HeadSelection found = new AutoHeadTrainer(new AutoHeadTrainerOptions { ComparedRows = 100 }, candidates).Select(
            Rows.Clusters(2000, 3, 4)
        );
        Assert.AreEqual(100, found.Rows, 4, "rounded down class by class");
        Assert.HasCount(1, found.Trials);
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameProbabilities()
    {
        FeatureTable table = Rows.Clusters(90, 20, 3, 0.3);
        float[][] found =
        [
            .. new[] { 1, 4 }.Select(workers =>
                new AutoHeadTrainer(new AutoHeadTrainerOptions { Workers = workers, Seed = 2 })
                    .Fit(table)
                    .Predict(table)
            ),
        ];
        CollectionAssert.AreEqual(found[0], found[1]);
    }

    [TestMethod]
    public void Fit_NothingToLearn_KeepsTheOrderOfTheClasses()
    {
        // Calibration flattens what says nothing, but never until all probabilities round to the same number.
        FeatureTable table = Rows.Clusters(30, 200, 10, 0);
        float[] p = new AutoHeadTrainer().Fit(table).Predict(table);
        for (int i = 0; i < 30; i++)
            Assert.HasCount(10, p.Skip(i * 10).Take(10).Distinct());
    }
}
