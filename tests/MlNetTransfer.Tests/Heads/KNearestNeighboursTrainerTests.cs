using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class KNearestNeighboursTrainerTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(5)]
    public void Predict_AnyRow_MatchesSklearn(int neighbours)
    {
        FeatureTable table = Rows.Clusters(80, 7, 3, 0.5),
            test = Rows.Clusters(40, 7, 3, 0.5, 4);
        double[] expected = Sklearn
            .Run(
                """
                from sklearn.neighbors import KNeighborsClassifier
                m = KNeighborsClassifier(d['k'], metric='cosine').fit(np.array(d['values']).reshape(-1, 7), d['labels'])
                r = m.predict_proba(np.array(d['test']).reshape(-1, 7)).ravel()
                """,
                new
                {
                    values = table.Values,
                    labels = table.Labels,
                    test = test.Values,
                    k = neighbours,
                }
            )
            .Doubles();
        float[] p = new KNearestNeighboursTrainer(new KNearestNeighboursTrainerOptions { Neighbours = neighbours })
            .Fit(table)
            .Predict(test);
        for (int i = 0; i < p.Length; i++)
            Assert.AreEqual(expected[i], p[i], 1e-6, "votes over k in float32");
    }

    [TestMethod]
    public void Fit_FewerRowsThanNeighbours_AllVote()
    {
        KNearestNeighboursHead head = new KNearestNeighboursTrainer().Fit(Rows.Table([0, 1, 1], [1, 2, 0], 1, 2));
        Assert.AreEqual(3, head.Neighbours);
        var p = new float[2];
        head.Predict([1], p);
        Assert.AreEqual(2f / 3, p[1], 1e-6);
    }
}
