using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

/// <summary>Every kind of head takes class weights. Oracles: numpy and scikit-learn with sample weights.</summary>
[TestClass]
public sealed class ClassWeightsTests
{
    private const string Setting = """
        y, n = np.array(d['labels']), len(d['labels'])
        X, T = np.array(d['values']).reshape(n, -1), np.array(d['test']).reshape(30, -1)
        C = y.max() + 1
        w = n / C / np.bincount(y)[y]
        """;

    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Ridge_Balanced_MatchesSklearnWithSampleWeights(int rows, int width, int classes) =>
        Compare(
            """
            from sklearn.linear_model import Ridge
            m, s = X.mean(0), np.sqrt(X.var(0) + 0.1 * X.var(0).mean())
            Z = (X - m) / s
            c = Z - (w @ Z) / n
            alpha = 0.05 * (w @ (c ** 2)).sum() / n
            r = Ridge(alpha=alpha).fit(Z, np.eye(C)[y], sample_weight=w).predict((T - m) / s).ravel()
            """,
            rows,
            width,
            classes,
            new RidgeTrainer(new RidgeTrainerOptions { Penalty = 0.05, ClassWeights = ClassWeights.Balanced }),
            head => ((RidgeHead)head).Temperature
        );

    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Kernel_Balanced_MatchesTheWeightedNormalEquations(int rows, int width, int classes) =>
        Compare(
            """
            root = lambda a: np.sign(a) * np.sqrt(np.abs(a))
            m, s = root(X).mean(0), root(X).std(0)
            Z, U = (root(X) - m) / s, (root(T) - m) / s
            square = lambda a, b: ((a[:, None] - b[None]) ** 2).sum(-1)
            D = square(Z, Z)
            unit = D.sum() / n / (n - 1)
            K, Kt = np.exp(-D / unit), np.exp(-square(U, Z) / unit)
            P = np.eye(n) - np.outer(np.ones(n), w) / n
            S = np.diag(np.sqrt(w))
            alpha = 0.1 * np.trace(S @ P @ K @ P.T @ S) / n
            # min Σ w (y - Ka - b)² + α aᵀKa: its gradients by a and by b are 0.
            W = np.diag(w)
            A = np.block([[W @ K + alpha * np.eye(n), w[:, None]], [(w @ K)[None], np.array([[n]])]])
            B = np.vstack([W @ np.eye(C)[y], w @ np.eye(C)[y]])
            a = np.linalg.solve(A, B)
            r = (Kt @ a[:n] + a[n]).ravel()
            """,
            rows,
            width,
            classes,
            new KernelRidgeTrainer(
                new KernelRidgeTrainerOptions { Penalty = 0.1, ClassWeights = ClassWeights.Balanced }
            ),
            head => ((KernelRidgeHead)head).Temperature
        );

    [TestMethod]
    [DataRow(120, 9, 3)]
    [DataRow(25, 60, 4)]
    public void Discriminant_Balanced_IsTheWeightedGaussian(int rows, int width, int classes) =>
        Compare(
            """
            m, s = X.mean(0), np.sqrt(X.var(0) + 0.1 * X.var(0).mean())
            Z, U = (X - m) / s, (T - m) / s
            M = np.array([Z[y == c].mean(0) for c in range(C)])
            R = Z - M[y]
            W = (w[:, None] * R).T @ R / n
            S = 0.4 * W + 0.6 * np.trace(W) / len(W) * np.eye(len(W))
            V = np.linalg.solve(S, M.T)
            r = (U @ V - 0.5 * (M.T * V).sum(0) + np.log(1 / C)).ravel()
            """,
            rows,
            width,
            classes,
            new LinearDiscriminantTrainer(
                new LinearDiscriminantTrainerOptions { Shrinkage = 0.6, ClassWeights = ClassWeights.Balanced }
            ),
            _ => 1
        );

    [TestMethod]
    public void Neighbours_Balanced_VotesCountTheirClass()
    {
        FeatureTable table = Rows.Clusters(60, 8, 3, 0.3),
            test = Rows.Clusters(30, 8, 3, 0.3, 7);
        KNearestNeighboursHead plain = new KNearestNeighboursTrainer().Fit(table),
            weighted = new KNearestNeighboursTrainer(
                new KNearestNeighboursTrainerOptions { ClassWeights = ClassWeights.Balanced }
            ).Fit(table);
        float[] votes = plain.Predict(test),
            found = weighted.Predict(test);
        int[] counts = [.. Enumerable.Range(0, 3).Select(c => table.Labels.Count(label => label == c))];
        for (int i = 0; i < 30; i++)
        {
            double[] expected = [.. counts.Select((count, c) => votes[i * 3 + c] / count)];
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(expected[c] / expected.Sum(), found[i * 3 + c], 1e-6, "float32");
        }
    }

    /// <summary>
    /// A class with two rows among forty and no feature that tells: balanced, each class is the answer for about half
    /// of the rows or scored alike; unweighted, the rare one hardly ever.
    /// </summary>
    [TestMethod]
    public void EveryKind_Balanced_FindsTheRareClassMoreOften()
    {
        int[] labels = [.. Enumerable.Range(0, 220).Select(i => i < 20 ? 1 : 0)];
        var rng = new Rng(3);
        float[] values =
        [
            .. labels.SelectMany(label =>
                Enumerable.Range(0, 6).Select(j => (float)(rng.NextNormal() + (j < 2 ? 1.2 * label : 0)))
            ),
        ];
        FeatureTable table = Rows.Table(labels, values, 6, 2);
        foreach (HeadKind kind in HeadKind.All.Where(kind => kind != HeadKind.Prototype))
        {
            double plain = Recall(kind, ClassWeights.None),
                balanced = Recall(kind, ClassWeights.Balanced);
            Assert.IsGreaterThan(plain + 0.1, balanced, kind.Name);
        }

        double Recall(HeadKind kind, ClassWeights weights)
        {
            var settings = new HeadSettings { ClassWeights = weights, Seed = 1 };
            float[] found = kind.Trainer(settings).Fit(table).Predict(table);
            return Enumerable.Range(0, 20).Average(i => found[2 * i + 1] > found[2 * i] ? 1.0 : 0);
        }
    }

    private static void Compare(
        string oracle,
        int rows,
        int width,
        int classes,
        IHeadTrainer trainer,
        Func<IHead, double> temperature
    )
    {
        FeatureTable table = Rows.Clusters(rows, width, classes, 0.5),
            test = Rows.Clusters(30, width, classes, 0.5, 7);
        double[] expected = Sklearn
            .Run(
                Setting + "\n" + oracle,
                new
                {
                    labels = table.Labels,
                    values = table.Values,
                    test = test.Values,
                }
            )
            .Doubles();
        IHead head = trainer.Fit(table);
        var logits = new float[30 * classes];
        head.Logits(test.Values, logits);
        for (int i = 0; i < logits.Length; i++)
            Assert.AreEqual(
                expected[i],
                logits[i] * temperature(head),
                2e-5 * Math.Max(1, Math.Abs(expected[i])),
                "standardised values and weights are float32"
            );
    }
}
