using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class SoftmaxTrainerTests
{
    [TestMethod]
    public void Fit_UninformativeFeatures_ReturnsClassFrequencies()
    {
        // Every feature takes the same values in both classes, so the minimum has W = 0 and the bias alone fits the
        // frequencies 3 : 1.
        int[] labels = [.. Enumerable.Range(0, 80).Select(i => i % 8 < 6 ? 0 : 1)];
        float[] values = [.. Enumerable.Range(0, 160).Select(i => (i / 2 % 2 == 0 ? 1f : -1f) * (1 + i % 2))];
        SoftmaxHead head = Tight(0.1).Fit(Rows.Table(labels, values, 2, 2));
        var p = new float[2];
        head.Predict([5, -7], p);
        Assert.AreEqual(0.75, p[0], 2e-5, "the gradient at the end is at most 2e-6, the curvature of the bias 0.19");
    }

    [TestMethod]
    [DataRow(120, 7, 3, 1e-2, ClassWeights.None)]
    [DataRow(300, 20, 5, 1e-4, ClassWeights.None)]
    [DataRow(40, 100, 3, 1e-1, ClassWeights.None)]
    [DataRow(40, 200, 4, 1e-2, ClassWeights.Balanced)]
    [DataRow(150, 9, 4, 1e-2, ClassWeights.Balanced)]
    [DataRow(60, 5, 2, 1e-3, ClassWeights.None)]
    public void Fit_GivenPenalty_MatchesSklearn(int rows, int width, int classes, double l2, ClassWeights weights)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5);
        SoftmaxHead head = new SoftmaxTrainer(
            new SoftmaxTrainerOptions
            {
                L2 = l2,
                Tolerance = 1e-6,
                MaxIterations = 5000,
                ClassWeights = weights,
            }
        ).Fit(table);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.linear_model import LogisticRegression
                from sklearn.preprocessing import StandardScaler
                X, y = np.array(d['values']).reshape(-1, d['width']), np.array(d['labels'])
                X = StandardScaler().fit_transform(X)
                m = LogisticRegression(C=1 / (d['l2'] * len(y)), tol=1e-9, max_iter=100000, multi_class='multinomial', class_weight=d['weights']).fit(X, y)
                r = m.predict_proba(X).ravel()
                """,
                new
                {
                    values = table.Values,
                    labels = table.Labels,
                    width,
                    l2,
                    weights = weights == ClassWeights.Balanced ? "balanced" : null,
                }
            )
            .Doubles();
        float[] actual = head.Predict(table);
        Assert.IsTrue(head.Report.Converged, $"{head.Report}");
        // A gradient of 2e-6 leaves the weights within 2e-6 / curvature of the minimum, and the curvature is at least
        // L2: 2e-2 for the weakest penalty here, if the error lay in the worst direction alone. A fortieth of that
        // still shows a penalty off by 2 %.
        const double tolerance = 5e-4;
        for (int i = 0; i < actual.Length; i++)
            Assert.AreEqual(expected[i], actual[i], tolerance, $"probability {i}");
    }

    [TestMethod]
    public void Fit_AnyData_GradientVanishesInDouble()
    {
        // The fitted head, unfolded: central differences of the objective in double at the returned weights of the raw
        // features.
        FeatureTable table = Rows.Clusters(90, 6, 3, 0.4);
        const double l2 = 0.05;
        SoftmaxHead head = Tight(l2).Fit(table);
        var objective = new SoftmaxObjective(table, l2);
        double[] point = objective.Standardise(head);
        for (int i = 0; i < point.Length; i++)
            Assert.AreEqual(
                0,
                objective.Difference(point, i, 1e-4),
                5e-6,
                "2e-6 where the fit stops, and float32 rounding of the weights times curvatures near 1"
            );
        Assert.AreEqual(objective.Value(point), head.Report.Objective, 1e-6, "float32 logits");
    }

    [TestMethod]
    public void Fit_ConstantFeature_HasWeightZero()
    {
        FeatureTable table = Rows.Clusters(50, 4, 2);
        float[] values = [.. table.Values];
        for (int i = 0; i < table.Rows; i++)
            values[i * 4 + 2] = 0.1f;
        SoftmaxHead head = new SoftmaxTrainer().Fit(Rows.Table(table.Labels, values, 4, 2));
        Assert.AreEqual(0f, head.Weights.Span[2]);
        Assert.AreEqual(0f, head.Weights.Span[6]);
    }

    [TestMethod]
    public void Fit_ShiftedAndScaledFeatures_PredictsTheSame()
    {
        FeatureTable table = Rows.Clusters(80, 5, 3, 0.7);
        float[] moved = [.. table.Values.Select((x, i) => i % 5 == 1 ? 8 * x - 16 : x)];
        float[] a = Tight(0.01).Fit(table).Predict(table);
        FeatureTable other = Rows.Table(table.Labels, moved, 5, 3);
        float[] b = Tight(0.01).Fit(other).Predict(other);
        for (int i = 0; i < a.Length; i++)
            Assert.AreEqual(a[i], b[i], 2e-5, "float32 rounding of the shifted feature");
    }

    [TestMethod]
    public void Fit_PermutedClassesAndRows_PermutesThePredictions()
    {
        FeatureTable table = Rows.Clusters(70, 6, 3, 0.5);
        int[] order = [.. Enumerable.Range(0, 70).Reverse()];
        FeatureTable reversed = table.Select(order);
        FeatureTable swapped = Rows.Table([.. reversed.Labels.Select(label => 2 - label)], reversed.Values, 6, 3);
        float[] a = Tight(0.02).Fit(table).Predict(table),
            b = Tight(0.02).Fit(swapped).Predict(table);
        for (int i = 0; i < 70; i++)
        for (int c = 0; c < 3; c++)
            Assert.AreEqual(
                a[i * 3 + c],
                b[i * 3 + 2 - c],
                2e-5,
                "both within 2e-6 of a vanishing gradient, L2 = 0.02"
            );
    }

    [TestMethod]
    public void Fit_BalancedWeights_EqualsDuplicatedRows()
    {
        // 12, 12 and 24 rows: balanced weights are 4/3, 4/3 and 2/3, as if the rows of the first two classes were there
        // twice. Both tables have mean 0 and second moment 2 in both features, so that both are standardised alike.
        int[] labels = [.. Enumerable.Range(0, 48).Select(i => Math.Min(2, i / 12))];
        float[] values =
        [
            .. labels.SelectMany((label, i) => new[] { Feature(label, i % 2), Feature(label, i / 2 % 2) }),
        ];
        static float Feature(int label, int bit) =>
            label == 2 ? (2 * bit - 1) * MathF.Sqrt(2) : (1 - 2 * label) * 2 * bit;
        FeatureTable table = Rows.Table(labels, values, 2, 3);
        FeatureTable twice = table.Select([.. Enumerable.Range(0, 48), .. Enumerable.Range(0, 24)]);
        SoftmaxHead weighted = new SoftmaxTrainer(
            new SoftmaxTrainerOptions
            {
                L2 = 0.1,
                Tolerance = 1e-6,
                ClassWeights = ClassWeights.Balanced,
            }
        ).Fit(table);
        SoftmaxHead doubled = new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = 0.1, Tolerance = 1e-6 }).Fit(twice);
        float[] a = weighted.Predict(table),
            b = doubled.Predict(table);
        for (int i = 0; i < a.Length; i++)
            Assert.AreEqual(b[i], a[i], 1e-5, "the same function of the weights, minimised twice");
    }

    [TestMethod]
    [DataRow(300, 40, 4)]
    [DataRow(60, 200, 3)]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.3);
        float[][] weights =
        [
            .. new[] { 1, 2, 5 }.Select(workers =>
                new SoftmaxTrainer(new SoftmaxTrainerOptions { Workers = workers }).Fit(table).Weights.ToArray()
            ),
        ];
        CollectionAssert.AreEqual(weights[0], weights[1]);
        CollectionAssert.AreEqual(weights[0], weights[2]);
    }

    [TestMethod]
    public void Fit_ChosenPenalty_ComparesHeldOutLossesAsSklearnDoes()
    {
        FeatureTable table = Rows.Clusters(200, 12, 3, 0.4);
        SoftmaxHead head = new SoftmaxTrainer(new SoftmaxTrainerOptions { Seed = 3 }).Fit(table);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.linear_model import LogisticRegression
                from sklearn.preprocessing import StandardScaler
                from sklearn.metrics import log_loss
                from scipy.optimize import minimize_scalar
                X, y, fold = np.array(d['values']).reshape(len(d['labels']), -1), np.array(d['labels']), np.array(d['fold'])
                X = StandardScaler().fit_transform(X)
                r = []
                for l2 in d['path']:
                    z = np.zeros((len(y), 3))
                    for f in range(5):
                        t = fold != f
                        z[~t] = LogisticRegression(C=1 / (l2 * t.sum()), tol=1e-9, max_iter=100000).fit(X[t], y[t]).decision_function(X[~t])
                    def loss(s):
                        e = np.exp(s * (z - z.max(1, keepdims=True)))
                        return log_loss(y, e / e.sum(1, keepdims=True), eps=1e-15)
                    r.append(minimize_scalar(loss, bounds=(0.01, 100), method='bounded', options=dict(xatol=1e-8)).fun)
                """,
                new
                {
                    values = table.Values,
                    labels = table.Labels,
                    fold = StratifiedFolds.Assign(table.Labels, 5, 3, table.ClassNames),
                    path = head.Report.L2Path.Select(trial => trial.Choice),
                }
            )
            .Doubles();
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(
                expected[i],
                head.Report.L2Path[i].LogLoss,
                0.015 * expected[i],
                "the path stops at 2 % of the first gradient, scikit-learn at the minimum"
            );
        Assert.AreEqual(
            head.Report.L2Path[Array.IndexOf(expected, expected.Min())].Choice,
            head.Report.L2,
            "both find the same valley"
        );
        Assert.IsTrue(
            head.Report.L2Path.Count >= 5 && expected[0] > 1.02 * expected.Min(),
            "the path has a valley to find"
        );
    }

    [TestMethod]
    public void Fit_ChosenPenalty_LogitsAreThoseOfTheObjectiveTimesTheScale()
    {
        FeatureTable table = Rows.Clusters(150, 10, 3, 0.4);
        SoftmaxHead chosen = new SoftmaxTrainer(new SoftmaxTrainerOptions { Tolerance = 1e-6 }).Fit(table);
        SoftmaxHead given = Tight(chosen.Report.L2).Fit(table);
        Assert.AreNotEqual(1, chosen.Report.LogitScale, 0.01);
        for (int i = 0; i < chosen.Weights.Length; i++)
            Assert.AreEqual(
                given.Weights.Span[i] * chosen.Report.LogitScale,
                chosen.Weights.Span[i],
                2e-4,
                "two starts, both within 2e-6 of a vanishing gradient"
            );
    }

    [TestMethod]
    public void Fit_BelowChance_ScaleStaysWithinItsBracket()
    {
        // Labels without relation to the features: whatever is chosen must not be worse than the class frequencies by
        // more than noise.
        FeatureTable table = Rows.Clusters(100, 30, 2, 0);
        SoftmaxHead head = new SoftmaxTrainer().Fit(table);
        Assert.AreEqual(Math.Log(2), head.Report.L2Path.Min(trial => trial.LogLoss), 0.05);
        Assert.IsTrue(head.Report.LogitScale >= 0.01);
    }

    [TestMethod]
    public void Fit_FeaturesTwice_SharesTheWeights()
    {
        // Two copies of a feature with weights w/2 each give the logits of one with w and half its penalty: at twice
        // the penalty the minimum is shared.
        FeatureTable table = Rows.Clusters(40, 110, 3, 0.2);
        FeatureTable twice = Rows.Table(
            table.Labels,
            [.. Enumerable.Range(0, 40).SelectMany(i => table.Row(i).ToArray().Concat(table.Row(i).ToArray()))],
            220,
            3
        );
        SoftmaxHead plain = Tight(0.1).Fit(table),
            rotated = Tight(0.2).Fit(twice);
        for (int c = 0; c < 3; c++)
        {
            Assert.AreEqual(
                plain.Bias.Span[c],
                rotated.Bias.Span[c],
                2e-4,
                "both within 2e-6 of a vanishing gradient, L2 = 0.1"
            );
            for (int j = 0; j < 110; j++)
            {
                float expected = plain.Weights.Span[c * 110 + j] / 2;
                Assert.AreEqual(expected, rotated.Weights.Span[c * 220 + j], 2e-5, "as above");
                Assert.AreEqual(expected, rotated.Weights.Span[c * 220 + 110 + j], 2e-5, "as above");
            }
        }
    }

    [TestMethod]
    public void Fit_OneRowPerClass_TakesTheStatedPenalty()
    {
        SoftmaxHead head = new SoftmaxTrainer().Fit(Rows.Clusters(4, 6, 4));
        Assert.AreEqual(1, head.Report.L2);
        Assert.AreEqual(1, head.Report.LogitScale);
        Assert.IsEmpty(head.Report.L2Path);
    }

    [TestMethod]
    public void Fit_SingleRowBesideOthers_IsNeverHeldOut()
    {
        FeatureTable table = Rows.Clusters(40, 5, 2, 2).Select([.. Enumerable.Range(0, 40)]);
        int[] labels = [.. table.Labels.Select((label, i) => i == 17 ? 2 : label)];
        SoftmaxHead head = new SoftmaxTrainer().Fit(Rows.Table(labels, table.Values, 5, 3));
        Assert.IsNotEmpty(head.Report.L2Path);
        Assert.IsTrue(double.IsFinite(head.Report.Objective));
    }

    [TestMethod]
    public void Fit_ClassWithoutRow_IsNamed()
    {
        FeatureTable table = Rows.Table([0, 0, 2], [1, 2, 3], 1, 3);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new SoftmaxTrainer().Fit(table)).Message,
            "'class1' has 0 training rows"
        );
    }

    [TestMethod]
    public void Fit_OneClass_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => new SoftmaxTrainer().Fit(Rows.Table([0, 0], [1, 2], 1, 1)))
                .Message,
            "at least 2"
        );

    [TestMethod]
    public void Predict_OtherWidth_NamesBoth()
    {
        SoftmaxHead head = new SoftmaxTrainer().Fit(Rows.Clusters(30, 4, 2));
        string message = Assert.ThrowsExactly<ArgumentException>(() => head.Predict(Rows.Clusters(5, 3, 2))).Message;
        StringAssert.Contains(message, "3 features");
        StringAssert.Contains(message, "takes 4");
        Assert.ThrowsExactly<ArgumentException>(() => head.Predict(new float[5], new float[2]));
        Assert.ThrowsExactly<ArgumentException>(() => head.Predict(new float[8], new float[2]));
    }

    [TestMethod]
    public void Fit_Cancelled_StopsWithinAnIteration()
    {
        using var source = new CancellationTokenSource();
        int reports = 0;
        var progress = new Immediate(_ =>
        {
            if (++reports == 3)
                source.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = 1e-6 }).Fit(
                Rows.Clusters(200, 30, 4, 0.1),
                progress,
                source.Token
            )
        );
        Assert.AreEqual(3, reports);
    }

    private static SoftmaxTrainer Tight(double l2) =>
        new(
            new SoftmaxTrainerOptions
            {
                L2 = l2,
                Tolerance = 1e-6,
                MaxIterations = 5000,
            }
        );

    private sealed class Immediate(Action<FitProgress> handle) : IProgress<FitProgress>
    {
        public void Report(FitProgress value) => handle(value);
    }
}
