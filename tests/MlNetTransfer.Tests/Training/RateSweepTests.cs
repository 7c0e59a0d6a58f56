using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

[TestClass]
public sealed class RateSweepTests
{
    [TestMethod]
    public void Steepest_KnownCurve_IsWhereItFallsFastest()
    {
        // The change of the loss is -1 / (1 + (1e-3 / rate)^2): it falls fastest, along ln rate, at 1e-3, where its
        // second derivative is 0. Above 0.1 it rises.
        var sweep = new RateSweep(1e-6, 1, 200);
        Fill(sweep, 200, rate => 2 - 1 / (1 + Math.Pow(1e-3 / rate, 2)) + (rate > 0.1 ? 5 * (rate - 0.1) : 0));
        double found = sweep.Points[RateSweep.Steepest(sweep.Points)!.Value].Rate;
        // Smoothing over ten steps of a ratio of 1.07 moves it up, by less than a factor of 2.5.
        Assert.IsTrue(found is > 1e-3 and < 2.5e-3, $"{found}");
    }

    [TestMethod]
    public void Add_HarderBatches_DoNotCount()
    {
        var sweep = new RateSweep(1e-5, 1e-1, 50);
        for (int i = 0; i < 50; i++)
            sweep.Add(1 + i % 3);
        Assert.IsTrue(sweep.IsMeasured);
        for (int i = 0; i < 50; i++)
            sweep.Add(1 + i % 3);
        Assert.IsTrue(sweep.Points.All(point => point.Smoothed == 0), "the same batches at the same weights");
        Assert.IsNull(RateSweep.Steepest(sweep.Points), "no rate lowers the loss");
    }

    [TestMethod]
    public void Rate_FirstPass_IsNothingAndThenRisesGeometrically()
    {
        var sweep = new RateSweep(1e-6, 1e-2, 11);
        Assert.AreEqual(0, sweep.Rate(5));
        for (int i = 0; i < 11; i++)
            sweep.Add(1);
        Assert.AreEqual(1e-6, sweep.Rate(0), 1e-18);
        Assert.AreEqual(1e-4, sweep.Rate(5), 1e-12);
        Assert.AreEqual(1e-2, sweep.Rate(10), 1e-10);
    }

    [TestMethod]
    public void Add_NoNumberOrTwiceTheLoss_EndsTheTest()
    {
        var broken = new RateSweep(1e-6, 1, 20);
        broken.Add(double.NaN);
        Assert.IsTrue(broken.IsDone);
        var high = new RateSweep(1e-6, 1, 20);
        Fill(high, 20, rate => rate > 1e-3 ? 100 : 1);
        Assert.IsTrue(high.IsDone);
        Assert.IsLessThan(20, high.Points.Count);
    }

    [TestMethod]
    public void Rungs_Halving_GiveTheBetterThirdThreeTimesTheEpochs()
    {
        CollectionAssert.AreEqual(new[] { (1, 9), (3, 3), (9, 1) }, SuccessiveHalving.Rungs(9, 9).ToArray());
        CollectionAssert.AreEqual(new[] { (2, 20), (5, 6), (15, 2) }, SuccessiveHalving.Rungs(20, 15).ToArray());
        CollectionAssert.AreEqual(new[] { (1, 2) }, SuccessiveHalving.Rungs(2, 1).ToArray());
    }

    [TestMethod]
    public void Recipe_Drawn_KeepsWhatIsSetAndIsTheSameEveryTime()
    {
        var given = new FineTuneOptions { Dropout = 0.3, Freeze = FreezeBoundary.OfFraction(0.9) };
        var space = new SearchSpace(given, TrainingStrategy.FineTune.Network!, true, 7);
        Assert.AreEqual(
            given with
            {
                LearningRate = 1e-4,
            },
            space.Recipe(0),
            "the defaults are a trial, at the usual rate"
        );
        FineTuneOptions[] drawn = [.. Enumerable.Range(1, 60).Select(space.Recipe)];
        Assert.IsTrue(drawn.All(own => own.Dropout == 0.3 && own.Freeze == given.Freeze));
        Assert.IsTrue(drawn.All(own => own.LearningRate is >= 3e-5 and <= 1e-3), "a third to ten times the default");
        Assert.IsGreaterThan(30, drawn.Select(own => own.LearningRate).Distinct().Count());
        Assert.HasCount(3, drawn.Select(own => own.Augmentation).Distinct().ToArray());
        Assert.AreEqual(
            drawn[5],
            new SearchSpace(given, TrainingStrategy.FineTune.Network!, true, 7).Recipe(6),
            "a trial does not depend on the others"
        );
        Assert.AreEqual(
            given.Augmentation,
            new SearchSpace(given, TrainingStrategy.FineTune.Network!, false, 7).Recipe(3).Augmentation,
            "texts are not augmented"
        );
    }

    private static void Fill(RateSweep sweep, int steps, Func<double, double> loss)
    {
        for (int i = 0; i < steps; i++)
            sweep.Add(loss(1e-9));
        for (int i = 0; !sweep.IsDone; i++)
            sweep.Add(loss(sweep.Rate(i)));
    }
}
