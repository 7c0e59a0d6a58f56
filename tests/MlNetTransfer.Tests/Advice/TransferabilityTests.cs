using System.Text.Json;
using MlNetTransfer.Advice;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Heads;

namespace MlNetTransfer.Tests.Advice;

[TestClass]
public sealed class TransferabilityTests
{
    // Evidence by singular values and MacKay's fixed point, written after the paper; H-score with scikit-learn's
    // covariance; nearest neighbours by its search.
    private const string Oracle = """
        from sklearn.covariance import ledoit_wolf
        from sklearn.neighbors import NearestNeighbors
        y = np.array(d['labels']); F = np.array(d['values']).reshape(len(y), -1); n, w = F.shape
        u, s, vt = np.linalg.svd(F, full_matrices=False); sig = s**2
        total = []
        for k in np.unique(y):
            t = (y == k).astype(float); z2 = (u.T @ t)**2; rest = max(t @ t - z2.sum(), 0); lam = 1.0
            for _ in range(1000):
                g = (sig/(sig+lam)).sum(); m2 = (sig*z2/(sig+lam)**2).sum(); r2 = (z2*(lam/(sig+lam))**2).sum()+rest
                a, b = g/m2, (n-g)/r2
                lam = max(a/b, 1e-13*sig.sum())
            m2 = (sig*z2/(sig+lam)**2).sum(); r2 = (z2*(lam/(sig+lam))**2).sum()+rest
            e = w*np.log(a)+n*np.log(b)-np.log(a+b*sig).sum()-(w-len(sig))*np.log(a)-b*r2-a*m2-n*np.log(2*np.pi)
            total.append(e/2/n)
        C = F - F.mean(0)
        S, shrink = ledoit_wolf(C, assume_centered=True)
        B = sum((y == k).mean()*np.outer(C[y == k].mean(0), C[y == k].mean(0)) for k in np.unique(y))
        found = NearestNeighbors(n_neighbors=2, metric='cosine').fit(C).kneighbors(C)[1][:, 1]
        r = dict(logme=np.mean(total), hscore=(1-shrink)*np.trace(np.linalg.solve(S, B)), nn=(y[found] == y).mean())
        """;

    [TestMethod]
    [DataRow(60, 8, 3)]
    [DataRow(40, 90, 4)]
    [DataRow(12, 30, 2)]
    public void Estimates_AnyShape_AreThoseOfNumpyAndScikitLearn(int rows, int width, int classes)
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.7);
        JsonElement expected = Sklearn.Run(Oracle, new { labels = table.Labels, values = table.Values });
        // Features are float32 and centred so; the fixed point ends at a millionth.
        Assert.AreEqual(expected.GetProperty("logme").GetDouble(), Transferability.LogMe(table), 2e-5);
        Assert.AreEqual(expected.GetProperty("hscore").GetDouble(), Transferability.HScore(table, 2), 1e-4);
        Assert.AreEqual(expected.GetProperty("nn").GetDouble(), Transferability.NearestNeighbour(table, 2), 1e-12);
    }

    [TestMethod]
    public void Estimates_ClassesFurtherApart_AreHigher()
    {
        FeatureTable near = Rows.Clusters(80, 10, 4, 0.3),
            far = Rows.Clusters(80, 10, 4, 2);
        Assert.IsGreaterThan(Transferability.LogMe(near), Transferability.LogMe(far));
        Assert.IsGreaterThan(Transferability.HScore(near), Transferability.HScore(far));
        Assert.IsGreaterThan(Transferability.NearestNeighbour(near), Transferability.NearestNeighbour(far));
    }

    [TestMethod]
    public void SourceEstimates_OfPredictions_AreThoseOfNumpy()
    {
        var rng = new Rng(5);
        int[] labels = [.. Enumerable.Range(0, 50).Select(_ => rng.Next(3))];
        float[] source = new float[50 * 4];
        for (int i = 0; i < 50; i++)
        {
            double sum = 0;
            for (int z = 0; z < 4; z++)
                sum += source[4 * i + z] = (float)Math.Exp(rng.NextNormal() + (z == labels[i] ? 1.5 : 0));
            for (int z = 0; z < 4; z++)
                source[4 * i + z] = (float)(source[4 * i + z] / sum);
        }

        JsonElement expected = Sklearn.Run(
            """
            y = np.array(d['labels']); P = np.array(d['source']).reshape(len(y), -1)
            joint = np.array([P[y == k].sum(0) for k in range(3)]) / len(y)
            leep = np.log((P @ (joint / joint.sum(0)).T)[np.arange(len(y)), y]).mean()
            z = P.argmax(1); nce = 0
            for a in range(4):
                for k in range(3):
                    p = ((z == a) & (y == k)).mean()
                    if p > 0: nce += p*np.log(p/(z == a).mean())
            r = dict(leep=leep, nce=nce)
            """,
            new { labels, source }
        );
        // The probabilities are float32, which JSON rounds in their eighth digit.
        Assert.AreEqual(expected.GetProperty("leep").GetDouble(), Transferability.Leep(labels, 3, source, 4), 1e-7);
        Assert.AreEqual(
            expected.GetProperty("nce").GetDouble(),
            Transferability.NegativeConditionalEntropy(labels, 3, source, 4),
            1e-9
        );
    }

    [TestMethod]
    public void Estimates_AllRowsAlike_AreNumbers()
    {
        FeatureTable table = Rows.Table([0, 1, 0, 1], [2, 3, 2, 3, 2, 3, 2, 3], 2, 2);
        Assert.IsTrue(double.IsFinite(Transferability.LogMe(table)));
        Assert.AreEqual(0, Transferability.HScore(table));
        Assert.IsTrue(Transferability.NearestNeighbour(table) is >= 0 and <= 1);
    }

    [TestMethod]
    public void Estimates_OneRow_SaySo() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => Transferability.LogMe(Rows.Table([0], [1, 2], 2, 1))).Message,
            "1 rows say nothing"
        );
}
