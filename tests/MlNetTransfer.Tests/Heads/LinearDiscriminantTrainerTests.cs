using System.Text.Json;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class LinearDiscriminantTrainerTests
{
    [TestMethod]
    [DataRow(200, 8, 3)]
    [DataRow(60, 40, 4)]
    public void Fit_AnyData_MatchesSklearn(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.4),
            test = Rows.Clusters(30, width, classes, 0.4, 7);
        JsonElement expected = Sklearn.Run(
            """
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
            X = np.array(d['values']).reshape(len(d['labels']), -1)
            m = LinearDiscriminantAnalysis(solver='lsqr', shrinkage='auto').fit(X, d['labels'])
            r = dict(p=m.predict_proba(np.array(d['test']).reshape(-1, X.shape[1])).ravel(), w=m.coef_.ravel())
            """,
            new
            {
                values = table.Values,
                labels = table.Labels,
                test = test.Values,
            }
        );
        LinearDiscriminantHead head = new LinearDiscriminantTrainer().Fit(table);
        double[] p = expected.GetProperty("p").Doubles(),
            w = expected.GetProperty("w").Doubles();
        float[] found = head.Predict(test);
        for (int i = 0; i < p.Length; i++)
            Assert.AreEqual(
                p[i],
                found[i],
                2e-5,
                "standardised values and weights are float32, logits up to 100 in size"
            );
        for (int i = 0; i < w.Length; i++)
            Assert.AreEqual(w[i], head.Weights.Span[i], 1e-4 * w.Max(Math.Abs), "as above");
    }

    /// <summary>
    /// Oracle: numpy refits without each row, on the features standardised by all rows and with the mean variance of
    /// all rows. More rows than features, then fewer: the two forms of the solution.
    /// </summary>
    [TestMethod]
    [DataRow(60, 9, 3)]
    [DataRow(25, 60, 4)]
    [DataRow(40, 12, 3)]
    public void LeaveOneOut_EveryRow_IsTheFitWithoutIt(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5);
        int[] all = [.. Enumerable.Range(0, rows).Where(i => table.Labels.Count(l => l == table.Labels[i]) > 1)];
        var parallel = new ParallelOptions();
        float[][] found = new WithinClasses(table, new FeatureScaler(table, parallel, 0.1), null, parallel).LeaveOneOut(
            all,
            [0.1, 0.6]
        );
        double[] expected = Sklearn
            .Run(
                """
                y, n = np.array(d['labels']), len(d['labels'])
                X, C = np.array(d['values']).reshape(n, -1), max(d['labels']) + 1
                Z = (X - X.mean(0)) / np.sqrt(X.var(0) + 0.1 * X.var(0).mean())
                within = Z - np.array([Z[y == c].mean(0) for c in range(C)])[y]
                v = (within ** 2).sum() / n / Z.shape[1]
                r = []
                for s in (0.1, 0.6):
                    for i in d['rows']:
                        k = np.arange(n) != i
                        M = np.array([Z[k & (y == c)].mean(0) for c in range(C)])
                        R = (Z - M[y])[k]
                        S = (1 - s) * R.T @ R / (n - 1) + s * v * np.eye(Z.shape[1])
                        V = np.linalg.solve(S, M.T)
                        r += list(Z[i] @ V - 0.5 * (M.T * V).sum(0) + np.log(np.bincount(y[k], minlength=C) / (n - 1)))
                """,
                new
                {
                    labels = table.Labels,
                    values = table.Values,
                    rows = all,
                }
            )
            .Doubles();
        float[] logits = [.. found.SelectMany(scores => scores)];
        Assert.HasCount(expected.Length, logits);
        for (int i = 0; i < logits.Length; i++)
            Assert.AreEqual(expected[i], logits[i], 1e-4 * Math.Max(1, Math.Abs(expected[i])), "rows are float32");
    }

    [TestMethod]
    public void Fit_LeaveOneOut_TakesTheShrinkageWithTheLowestLossOrOneNearAsGood()
    {
        LinearDiscriminantHead head = new LinearDiscriminantTrainer(
            new LinearDiscriminantTrainerOptions { Rule = ShrinkageRule.LeaveOneOut }
        ).Fit(Rows.Clusters(80, 30, 3, 0.4));
        Assert.HasCount(LinearDiscriminantTrainer.ShrinkageGrid.Count, head.Path);
        Compared<double> best = head.Path.MinBy(trial => trial.LogLoss)!,
            taken = head.Path.Single(trial => trial.Choice == head.Shrinkage);
        Assert.IsLessThanOrEqualTo(Math.Abs(best.Choice - 0.7), Math.Abs(taken.Choice - 0.7));
        Assert.IsLessThanOrEqualTo(best.LogLoss + best.StandardError, taken.LogLoss);
        // Many rows, features that vary together and tell the classes by a small difference: little shrinkage is far
        // better.
        var rng = new Rng(2);
        int[] labels = [.. Enumerable.Range(0, 600).Select(i => i % 2)];
        float[] values =
        [
            .. labels.SelectMany(label =>
            {
                float common = (float)(10 * rng.NextNormal());
                return (float[])[common, common + (float)rng.NextNormal() * 0.1f + 0.3f * label];
            }),
        ];
        Assert.IsLessThan(
            0.1,
            new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Rule = ShrinkageRule.LeaveOneOut })
                .Fit(Rows.Table(labels, values, 2, 2))
                .Shrinkage!.Value
        );
        Assert.AreEqual(
            LinearDiscriminantTrainerOptions.StrongShrinkage,
            new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Rule = ShrinkageRule.LeaveOneOut })
                .Fit(Rows.Clusters(3, 5, 3))
                .Shrinkage,
            "nothing can be left out"
        );
    }

    [TestMethod]
    public void Fit_ConstantFeature_HasWeightZero()
    {
        FeatureTable table = Rows.Clusters(50, 4, 2);
        float[] values = [.. table.Values];
        for (int i = 0; i < table.Rows; i++)
            values[i * 4 + 2] = 0.1f;
        LinearDiscriminantHead head = new LinearDiscriminantTrainer().Fit(Rows.Table(table.Labels, values, 4, 2));
        Assert.AreEqual(0f, head.Weights.Span[2]);
        Assert.IsTrue(head.Weights.ToArray().All(float.IsFinite));
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        FeatureTable table = Rows.Clusters(300, 60, 4, 0.3);
        float[][] weights =
        [
            .. new[] { 1, 4 }.Select(workers =>
                new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Workers = workers })
                    .Fit(table)
                    .Weights.ToArray()
            ),
        ];
        CollectionAssert.AreEqual(weights[0], weights[1]);
    }

    [TestMethod]
    public void Fit_OneRowPerClass_SaysWhatElseWorks() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => new LinearDiscriminantTrainer().Fit(Rows.Clusters(3, 5, 3)))
                .Message,
            "nearest-mean head"
        );

    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Fit_GivenShrinkage_MatchesSklearn(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5),
            test = Rows.Clusters(30, width, classes, 0.5, 7);
        JsonElement expected = Sklearn.Run(
            """
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
            X, T = np.array(d['values']).reshape(-1, d['width']), np.array(d['test']).reshape(-1, d['width'])
            m, s = X.mean(0), np.sqrt(X.var(0) + 0.1 * X.var(0).mean())
            r = LinearDiscriminantAnalysis(solver='lsqr', shrinkage=0.7).fit((X - m) / s, d['labels']).predict_proba((T - m) / s).ravel()
            """,
            new
            {
                labels = table.Labels,
                values = table.Values,
                test = test.Values,
                width,
            }
        );
        float[] p = new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 })
            .Fit(table)
            .Predict(test);
        double[] q = expected.Doubles();
        for (int i = 0; i < p.Length; i++)
            Assert.AreEqual(q[i], p[i], 2e-5, "standardised values and weights are float32");
    }

    [TestMethod]
    public void Fit_OneRowPerClassAndShrinkage_IsTheNearestMean()
    {
        FeatureTable table = Rows.Clusters(4, 6, 4),
            test = Rows.Clusters(20, 6, 4, 1, 3);
        float[] p = new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 })
            .Fit(table)
            .Predict(test);
        double[] variance =
        [
            .. Enumerable
                .Range(0, 6)
                .Select(j =>
                    Enumerable
                        .Range(0, 4)
                        .Average(i =>
                            Math.Pow(table.Row(i)[j] - Enumerable.Range(0, 4).Average(r => table.Row(r)[j]), 2)
                        )
                ),
        ];
        for (int i = 0; i < 20; i++)
        {
            double[] distance =
            [
                .. Enumerable
                    .Range(0, 4)
                    .Select(c =>
                        Enumerable
                            .Range(0, 6)
                            .Sum(j =>
                                Math.Pow(test.Row(i)[j] - table.Row(c)[j], 2) / (variance[j] + 0.1 * variance.Average())
                            )
                    ),
            ];
            Assert.AreEqual(
                table.Labels[Array.IndexOf(distance, distance.Min())],
                Array.IndexOf(p, p[(i * 4)..(i * 4 + 4)].Max(), i * 4) - i * 4
            );
        }
    }
}
