using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class RidgeTrainerTests
{
    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Fit_GivenPenalty_MatchesSklearn(int rows, int width, int classes)
    {
        // Fewer features than rows, then more: the two forms of the solution.
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5),
            test = Rows.Clusters(30, width, classes, 0.5, 7);
        RidgeHead head = new RidgeTrainer(new RidgeTrainerOptions { Penalty = 0.05 }).Fit(table);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.linear_model import Ridge
                y, w = np.array(d['labels']), d['width']
                X, T = np.array(d['values']).reshape(-1, w), np.array(d['test']).reshape(-1, w)
                m, s = X.mean(0), np.sqrt(X.var(0) + 0.1 * X.var(0).mean())
                r = Ridge(alpha=d['alpha']).fit((X - m) / s, np.eye(y.max() + 1)[y]).predict((T - m) / s).ravel()
                """,
                new
                {
                    labels = table.Labels,
                    values = table.Values,
                    test = test.Values,
                    width,
                    alpha = head.Alpha,
                }
            )
            .Doubles();
        var logits = new float[30 * classes];
        head.Logits(test.Values, logits);
        for (int i = 0; i < logits.Length; i++)
            Assert.AreEqual(
                expected[i],
                logits[i] * head.Temperature,
                2e-5,
                "standardised values and weights are float32"
            );
    }

    [TestMethod]
    [DataRow(60, 9, 3)]
    [DataRow(25, 60, 4)]
    public void LeaveOneOut_EveryRow_IsSklearns(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5);
        float[] mean =
        [
            .. Enumerable.Range(0, width).Select(j => Enumerable.Range(0, rows).Average(i => table.Row(i)[j])),
        ];
        float[][] x =
        [
            .. Enumerable
                .Range(0, rows)
                .Select(i => Enumerable.Range(0, width).Select(j => table.Row(i)[j] - mean[j]).ToArray()),
        ];
        double[] share =
        [
            .. Enumerable.Range(0, classes).Select(c => table.Labels.Count(label => label == c) / (double)rows),
        ];
        var system = new RidgeSystem(
            x,
            [.. share.Select((s, c) => table.Labels.Select(label => (label == c ? 1 : 0) - s).ToArray())],
            new ParallelOptions()
        );
        int[] all = [.. Enumerable.Range(0, rows)];
        float[] scores = system.LeaveOneOut(all, system.Rotate(all), 7);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.linear_model import Ridge
                from sklearn.model_selection import LeaveOneOut, cross_val_predict
                y = np.array(d['labels'])
                r = cross_val_predict(Ridge(alpha=7), np.array(d['values']).reshape(len(y), -1), np.eye(y.max() + 1)[y], cv=LeaveOneOut()).ravel()
                """,
                new { labels = table.Labels, values = table.Values }
            )
            .Doubles();
        for (int i = 0; i < scores.Length; i++)
            Assert.AreEqual(
                expected[i],
                scores[i] + share[i % classes],
                1e-5,
                "float32 features and scores, n refits against one"
            );
    }

    [TestMethod]
    public void Fit_Path_TakesTheLowestLoss()
    {
        RidgeHead head = new RidgeTrainer().Fit(Rows.Clusters(80, 30, 4, 0.3));
        Assert.HasCount(9, head.Path);
        Assert.AreEqual(head.Path.MinBy(trial => trial.LogLoss)!.Choice, head.Penalty);
        Assert.AreEqual(1 / head.Temperature, head.Path.MinBy(trial => trial.LogLoss)!.Score.LogitScale, 1e-9);
        Assert.AreEqual(
            head.Penalty,
            new RidgeTrainer(new RidgeTrainerOptions { Penalty = head.Penalty })
                .Fit(Rows.Clusters(80, 30, 4, 0.3))
                .Penalty
        );
    }

    [TestMethod]
    public void Fit_OneRowPerClass_TakesTheStatedPenalty()
    {
        RidgeHead head = new RidgeTrainer().Fit(Rows.Clusters(4, 6, 4));
        Assert.AreEqual(0.3, head.Penalty);
        Assert.AreEqual(1, head.Temperature);
        Assert.IsEmpty(head.Path);
    }

    [TestMethod]
    public void Fit_NothingVaries_GivesTheShares()
    {
        float[] p = new RidgeTrainer()
            .Fit(Rows.Table([0, 0, 0, 1], [2, 2, 2, 2], 1, 2))
            .Predict(Rows.Table([0], [2], 1, 2));
        Assert.IsTrue(p.All(float.IsFinite));
        Assert.IsGreaterThan(p[1], p[0]);
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        foreach (int rows in (int[])[50, 500])
        {
            FeatureTable table = Rows.Clusters(rows, 250, 3, 0.2);
            float[][] weights =
            [
                .. new[] { 1, 4 }.Select(workers =>
                    new RidgeTrainer(new RidgeTrainerOptions { Workers = workers }).Fit(table).Weights.ToArray()
                ),
            ];
            CollectionAssert.AreEqual(weights[0], weights[1]);
        }
    }
}
