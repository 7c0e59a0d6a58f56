using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class KernelRidgeTests
{
    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Fit_GivenPenalty_MatchesSklearn(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5),
            test = Rows.Clusters(30, width, classes, 0.5, 7);
        KernelRidgeHead head = new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Penalty = 0.1 }).Fit(table);
        double[] expected = Sklearn
            .Run(
                Oracle
                    + """

                    m = KernelRidge(alpha=alpha, kernel='precomputed').fit(c.transform(K), Y - Y.mean(0))
                    r = (m.predict(c.transform(rbf_kernel((root(T) - mean) / sd, Z, gamma=gamma))) + Y.mean(0)).ravel()
                    """,
                new
                {
                    labels = table.Labels,
                    values = table.Values,
                    test = test.Values,
                    width,
                    penalty = head.Penalty,
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
                "standardised roots and coefficients are float32"
            );
    }

    [TestMethod]
    public void Path_EveryPenalty_JudgesWhatFitsWithoutTheRowSay()
    {
        // scikit-learn refits once for every row, with the kernel's width and the standardisation of all rows: as the
        // exact formula does.
        FeatureTable table = Rows.Clusters(40, 12, 3, 0.5);
        KernelRidgeHead head = new KernelRidgeTrainer().Fit(table);
        Compared<double> trial = head.Path.First(t => Math.Abs(t.Choice - 0.1) < 1e-9);
        double accuracy = Sklearn
            .Run(
                Oracle
                    + """

                    hits = 0
                    for i in range(len(y)):
                        k = np.delete(np.arange(len(y)), i)
                        inner = KernelCenterer().fit(K[np.ix_(k, k)])
                        m = KernelRidge(alpha=alpha, kernel='precomputed').fit(inner.transform(K[np.ix_(k, k)]), Y[k] - Y[k].mean(0))
                        hits += (m.predict(inner.transform(K[i:i+1, k])) + Y[k].mean(0)).argmax() == y[i]
                    r = [hits / len(y)]
                    """,
                new
                {
                    labels = table.Labels,
                    values = table.Values,
                    test = table.Values,
                    width = 12,
                    penalty = 0.1,
                }
            )
            .Doubles()[0];
        Assert.AreEqual(accuracy, trial.Accuracy, 1e-9);
        Assert.AreEqual(head.Path.MinBy(t => t.LogLoss)!.Choice, head.Penalty);
    }

    [TestMethod]
    public void Fit_RingAroundACluster_TellsThemApart()
    {
        // No linear head can: the classes have the same mean.
        var labels = new int[80];
        var values = new float[160];
        for (int i = 0; i < 80; i++)
        {
            double angle = 2 * Math.PI * i / 40,
                radius = i < 40 ? 0.05 : 4;
            (labels[i], values[2 * i], values[2 * i + 1]) = (
                i / 40,
                (float)(radius * Math.Cos(angle)),
                (float)(radius * Math.Sin(angle))
            );
        }

        FeatureTable table = Rows.Table(labels, values, 2, 2);
        Assert.IsGreaterThan(0.95, Accuracy(new KernelRidgeTrainer().Fit(table)));
        Assert.IsLessThan(0.7, Accuracy(new RidgeTrainer().Fit(table)));

        double Accuracy(IHead head)
        {
            float[] p = head.Predict(table);
            return Enumerable.Range(0, 80).Count(i => p[2 * i + labels[i]] > 0.5) / 80.0;
        }
    }

    [TestMethod]
    public void Fit_OneRowPerClass_TakesTheStatedPenalty()
    {
        KernelRidgeHead head = new KernelRidgeTrainer().Fit(Rows.Clusters(4, 6, 4));
        Assert.AreEqual(1, head.Temperature);
        Assert.IsEmpty(head.Path);
        float[] p = head.Predict(Rows.Clusters(4, 6, 4));
        for (int i = 0; i < 4; i++)
            Assert.AreEqual(p[(4 * i)..(4 * i + 4)].Max(), p[5 * i]);
    }

    [TestMethod]
    public void Fit_NothingVaries_GivesTheShares()
    {
        float[] p = new KernelRidgeTrainer()
            .Fit(Rows.Table([0, 0, 0, 1], [2, 2, 2, 2], 1, 2))
            .Predict(Rows.Table([0], [2], 1, 2));
        Assert.IsTrue(p.All(float.IsFinite));
        Assert.IsGreaterThan(p[1], p[0]);
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        FeatureTable table = Rows.Clusters(300, 50, 3, 0.2);
        float[][] found =
        [
            .. new[] { 1, 4 }.Select(workers =>
                new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = workers }).Fit(table).Predict(table)
            ),
        ];
        CollectionAssert.AreEqual(found[0], found[1]);
    }

    [TestMethod]
    public void Fit_MoreRowsThanItKeeps_IsRefused()
    {
        TransferException refusal = Assert.ThrowsExactly<TransferException>(() =>
            new KernelRidgeTrainer().Fit(Rows.Clusters(KernelRidgeTrainer.MostRows + 1, 1, 2))
        );
        StringAssert.Contains(refusal.Message, "at most 5000");
    }

    private const string Oracle = """
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.metrics.pairwise import rbf_kernel, euclidean_distances
        from sklearn.preprocessing import KernelCenterer
        y, w = np.array(d['labels']), d['width']
        X, T = np.array(d['values']).reshape(-1, w), np.array(d['test']).reshape(-1, w)
        root = lambda x: np.sign(x) * np.sqrt(np.abs(x))
        mean, sd = root(X).mean(0), root(X).std(0)
        Z, Y, n = (root(X) - mean) / sd, np.eye(y.max() + 1)[y], len(y)
        gamma = n * (n - 1) / euclidean_distances(Z, squared=True).sum()
        K = rbf_kernel(Z, gamma=gamma)
        c = KernelCenterer().fit(K)
        alpha = d['penalty'] * np.trace(c.transform(K)) / n
        """;
}
