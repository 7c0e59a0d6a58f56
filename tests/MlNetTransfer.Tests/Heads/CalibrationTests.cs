using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class CalibrationTests
{
    [TestMethod]
    public void OutOfFold_EveryFold_IsAFitOnTheOtherRows()
    {
        FeatureTable table = Rows.Clusters(30, 4, 3, 0.8);
        int[] fold = [.. Enumerable.Range(0, 30).Select(i => i % 7 == 0 ? CrossValidation.NeverHeldOut : i % 3)];
        OutOfFoldPredictions found = CrossValidation.OutOfFold(new NearestMeanTrainer(), table, fold);
        CollectionAssert.AreEqual(Enumerable.Range(0, 30).Where(i => i % 7 != 0).ToArray(), found.Rows.ToArray());
        float[] probabilities = found.Probabilities();
        for (int i = 0; i < found.Rows.Count; i++)
        {
            int row = found.Rows[i];
            NearestMeanHead head = new NearestMeanTrainer().Fit(
                table.Select([.. Enumerable.Range(0, 30).Where(r => fold[r] != fold[row])])
            );
            float[] expected = head.Predict(table.Select([row]));
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(expected[c], probabilities[i * 3 + c], 1e-6, "float32");
        }
    }

    [TestMethod]
    public void OutOfFold_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        FeatureTable table = Rows.Clusters(60, 5, 3, 0.5);
        int[] fold = CrossValidation.Folds(table.Labels, 5, 3);
        float[][] logits =
        [
            .. new[] { 1, 4 }.Select(workers =>
                CrossValidation.OutOfFold(new SoftmaxTrainer(), table, fold, workers).Logits.ToArray()
            ),
        ];
        CollectionAssert.AreEqual(logits[0], logits[1]);
    }

    [TestMethod]
    public void OutOfFold_ClassInOneFoldOnly_GetsProbabilityZeroAndDoesNotVote()
    {
        FeatureTable table = Rows.Table([0, 1, 0, 1, 2, 2], [0, 1, 0.1f, 0.9f, 5, 5.1f], 1, 3);
        OutOfFoldPredictions found = CrossValidation.OutOfFold(new NearestMeanTrainer(), table, [0, 1, 1, 0, 0, 0]);
        float[] p = found.Probabilities(100);
        Assert.AreEqual(0f, p[4 * 3 + 2]);
        Assert.AreEqual(1f, p[4 * 3] + p[4 * 3 + 1], 1e-6f);
        TemperatureCalibration calibration = TemperatureCalibration.Fit(found);
        Assert.AreEqual(4, calibration.Rows);
        Assert.IsTrue(double.IsFinite(calibration.LogLoss));
    }

    [TestMethod]
    public void Fit_FewRowsThatAreAllRight_LeavesAsMuchDoubtAsTheyDo()
    {
        // Four rows with logits (1, 0), all right: the scale at which the loss against the target 5/6 is lowest is ln 5.
        var rows = new HeldOutLogits(2) { AreFew = true };
        for (int i = 0; i < 4; i++)
            rows.Add([1, 0], 0, 1);
        Assert.AreEqual(1 / Math.Log(5), TemperatureCalibration.Fit(rows).Temperature, 1e-5);
    }

    [TestMethod]
    public void OutOfFold_OneClassLeft_SaysSo() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    CrossValidation.OutOfFold(
                        new NearestMeanTrainer(),
                        Rows.Table([0, 0, 1, 1], [1, 2, 3, 4], 1, 2),
                        [0, 0, 1, 1]
                    )
                )
                .Message,
            "at least 2"
        );

    [TestMethod]
    public void OutOfFold_Cancelled_Throws()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        FeatureTable table = Rows.Clusters(30, 4, 3);
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            CrossValidation.OutOfFold(
                new NearestMeanTrainer(),
                table,
                CrossValidation.Folds(table.Labels, 3, 0),
                1,
                null,
                source.Token
            )
        );
    }

    [TestMethod]
    public void Folds_ClassWithASingleRow_IsNeverHeldOut()
    {
        int[] fold = CrossValidation.Folds([0, 0, 1, 0, 2, 2], 3, 0);
        Assert.AreEqual(CrossValidation.NeverHeldOut, fold[2]);
        Assert.IsTrue(fold.Where((_, i) => i != 2).All(f => f is >= 0 and < 3));
    }

    [TestMethod]
    public void Fit_KnownOddsTooSure_FindsTheTemperature()
    {
        // Of ten rows with logits (4, 0) eight are of the first class: the best softmax has ln(8 / 2) between them, T =
        // 4 / ln 4.
        int[] labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        float[] logits = [.. Enumerable.Range(0, 10).SelectMany(_ => new[] { 4f, 0f })];
        TemperatureCalibration found = TemperatureCalibration.Fit(
            new OutOfFoldPredictions([.. Enumerable.Range(0, 10)], labels, logits, 2)
        );
        Assert.AreEqual(4 / Math.Log(4), found.Temperature, 1e-4, "Newton's stopping rule is 1e-6 of the factor");
        Assert.AreEqual(-0.8 * Math.Log(0.8) - 0.2 * Math.Log(0.2), found.LogLoss, 1e-6, "entropy at the optimum");
        Assert.IsLessThan(found.LogLossBefore, found.LogLoss);
    }

    [TestMethod]
    public void Apply_LinearAndOther_DivideTheLogits()
    {
        FeatureTable table = Rows.Clusters(40, 4, 3, 0.6);
        foreach (
            IHead head in (IHead[])[new NearestMeanTrainer().Fit(table), new KNearestNeighboursTrainer().Fit(table)]
        )
        {
            IHead calibrated = new TemperatureCalibration(2.5, 0, 0, 1).Apply(head);
            Assert.AreEqual(head is ILinearHead, calibrated is ILinearHead);
            float[] before = new float[40 * 3],
                after = new float[40 * 3],
                p = calibrated.Predict(table),
                own = head.Predict(table);
            head.Logits(table.Values, before);
            calibrated.Logits(table.Values, after);
            for (int i = 0; i < before.Length; i++)
                Assert.AreEqual(before[i] / 2.5, after[i], 1e-5 * (1 + Math.Abs(before[i])), "float32");
            for (int i = 0; i < 40; i++)
                Assert.AreEqual(
                    Array.IndexOf(own, own[(i * 3)..(i * 3 + 3)].Max(), i * 3),
                    Array.IndexOf(p, p[(i * 3)..(i * 3 + 3)].Max(), i * 3),
                    "no class moves past another"
                );
        }
    }

    [TestMethod]
    public void Fit_OverconfidentVotes_LosesCalibrationError()
    {
        // One neighbour is always certain and often wrong.
        FeatureTable train = Rows.Clusters(300, 4, 3, 0.6),
            test = Rows.Clusters(600, 4, 3, 0.6);
        FeatureTable unseen = test.Select([.. Enumerable.Range(300, 300)]);
        var one = new KNearestNeighboursTrainer(new KNearestNeighboursTrainerOptions { Neighbours = 1 });
        ClassificationReport before = ClassificationReport.Of(
            train.ClassNames,
            unseen.Labels,
            one.Fit(train).Predict(unseen)
        );
        ClassificationReport after = ClassificationReport.Of(
            train.ClassNames,
            unseen.Labels,
            new CalibratedTrainer(one).Fit(train).Predict(unseen)
        );
        Assert.AreEqual(before.Accuracy, after.Accuracy);
        Assert.IsGreaterThan(0.15, before.CalibrationError);
        Assert.IsLessThan(0.1, after.CalibrationError, "300 rows: the error of a share of 0.5 is 0.03");
        Assert.IsLessThan(before.LogLoss, after.LogLoss);
    }

    [TestMethod]
    public void Fit_OneRowPerClass_LeavesTheHead()
    {
        FeatureTable table = Rows.Clusters(3, 4, 3);
        CollectionAssert.AreEqual(
            new NearestMeanTrainer().Fit(table).Predict(table),
            new CalibratedTrainer(new NearestMeanTrainer()).Fit(table).Predict(table)
        );
    }
}
