using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class NearestMeanTrainerTests
{
    [TestMethod]
    public void Predict_AnyRow_ClosestMeanIsSklearns()
    {
        FeatureTable table = Rows.Clusters(90, 8, 4, 0.6),
            test = Rows.Clusters(60, 8, 4, 0.3, 9);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.neighbors import NearestCentroid
                from sklearn.preprocessing import StandardScaler
                X, T = np.array(d['values']).reshape(-1, 8), np.array(d['test']).reshape(-1, 8)
                s = StandardScaler().fit(X)
                r = NearestCentroid().fit(s.transform(X), d['labels']).predict(s.transform(T))
                """,
                new
                {
                    values = table.Values,
                    labels = table.Labels,
                    test = test.Values,
                }
            )
            .Doubles();
        float[] p = new NearestMeanTrainer().Fit(table).Predict(test);
        for (int i = 0; i < 60; i++)
            Assert.AreEqual(expected[i], Array.IndexOf(p, p[(i * 4)..(i * 4 + 4)].Max(), i * 4) - i * 4);
    }

    [TestMethod]
    public void Predict_TwoMeans_IsTheLogisticOfTheDistances()
    {
        // One feature at -1 and 1 in both classes' means ±1: standardised it stays; logit difference = ((x+1)² -
        // (x-1)²) / 2v = 2x/v.
        FeatureTable table = Rows.Table([0, 1], [-1, 1], 1, 2);
        NearestMeanHead head = new NearestMeanTrainer().Fit(table);
        Assert.AreEqual(1, head.Variance, "no row votes: the number of varying features");
        var p = new float[2];
        head.Predict([0.3f], p);
        Assert.AreEqual(1 / (1 + Math.Exp(-0.6)), p[1], 1e-6, "float32");
    }

    [TestMethod]
    public void Fit_Variance_MinimisesTheLeaveOneOutLoss()
    {
        FeatureTable table = Rows.Clusters(30, 3, 3, 0.8);
        double variance = new NearestMeanTrainer().Fit(table).Variance;
        double at = Loss(table, variance);
        Assert.IsTrue(
            at <= Loss(table, variance * 1.02) && at <= Loss(table, variance / 1.02),
            "a minimum, refitted row by row in double"
        );
    }

    [TestMethod]
    public void Fit_ShrunkMeans_AreCloserToTheirCentre()
    {
        FeatureTable table = Rows.Clusters(20, 4, 2);
        NearestMeanHead full = new NearestMeanTrainer().Fit(table),
            half = new NearestMeanTrainer(new NearestMeanTrainerOptions { Shrinkage = 0.5 }).Fit(table);
        float Gap(NearestMeanHead head) => (head.Weights.Span[1] - head.Weights.Span[5]) * (float)head.Variance;
        Assert.AreEqual(Gap(full) / 2, Gap(half), 1e-5 * Math.Abs(Gap(full)), "float32");
    }

    // Standardised by all rows, as documented; every row judged by means made again without it.
    private static double Loss(FeatureTable table, double variance)
    {
        int width = table.Width;
        double[] mean =
        [
            .. Enumerable
                .Range(0, width)
                .Select(j => Enumerable.Range(0, table.Rows).Average(i => (double)table.Row(i)[j])),
        ];
        double[] sd =
        [
            .. Enumerable
                .Range(0, width)
                .Select(j =>
                    Math.Sqrt(Enumerable.Range(0, table.Rows).Average(i => Math.Pow(table.Row(i)[j] - mean[j], 2)))
                ),
        ];
        double[][] x =
        [
            .. Enumerable
                .Range(0, table.Rows)
                .Select(i => Enumerable.Range(0, width).Select(j => (table.Row(i)[j] - mean[j]) / sd[j]).ToArray()),
        ];
        return Enumerable
            .Range(0, table.Rows)
            .Average(i =>
            {
                double[] z =
                [
                    .. Enumerable
                        .Range(0, table.Classes)
                        .Select(c =>
                        {
                            int[] members =
                            [
                                .. Enumerable.Range(0, table.Rows).Where(r => r != i && table.Labels[r] == c),
                            ];
                            return -Enumerable
                                    .Range(0, width)
                                    .Sum(j => Math.Pow(x[i][j] - members.Average(r => x[r][j]), 2)) / (2 * variance);
                        }),
                ];
                return Math.Log(z.Sum(v => Math.Exp(v - z.Max()))) + z.Max() - z[table.Labels[i]];
            });
    }
}
