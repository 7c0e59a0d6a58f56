using MlNetTransfer.Adaptation;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Heads;

namespace MlNetTransfer.Tests.Adaptation;

[TestClass]
public sealed class AlignmentMethodTests
{
    private const int Width = 6;

    public static IEnumerable<object[]> Names => AlignmentMethod.All.Select(method => new object[] { method.Name });

    [TestMethod]
    public void Align_ByNone_IsTheSourceAndNotItsArray()
    {
        FeatureTable source = Rows.Clusters(20, Width, 2),
            moved = AlignmentMethod.None.Align(source, Moved(source));
        CollectionAssert.AreEqual(source.Values, moved.Values);
        Assert.AreNotSame(source.Values, moved.Values);
    }

    [TestMethod]
    public void Align_ByStandardize_HasTheTargetsMomentsAndUndoesScalesAndShifts()
    {
        FeatureTable source = Rows.Clusters(60, Width, 2),
            target = Each(source, (value, j) => Square((j + 1) * Root(value) - 10 * j)),
            found = AlignmentMethod.Standardize.Align(source, target);
        Near(target.Values, found.Values, 1e-4);
    }

    [TestMethod]
    public void Align_ByCoral_HasTheTargetsMeanAndCovariance()
    {
        // Many rows: next to nothing is shrunk.
        FeatureTable source = Rows.Clusters(4000, Width, 3),
            target = Moved(Rows.Clusters(4000, Width, 3, seed: 2)),
            found = Roots(AlignmentMethod.Coral.Align(source, target));
        target = Roots(target);
        double[,] expected = Covariance(target),
            have = Covariance(found);
        double largest = Enumerable.Range(0, Width).Max(i => expected[i, i]);
        for (int i = 0; i < Width; i++)
        {
            Assert.AreEqual(Mean(target, i), Mean(found, i), 1e-3);
            for (int j = 0; j < Width; j++)
                Assert.AreEqual(expected[i, j], have[i, j], 0.01 * largest, "what Ledoit and Wolf shrink");
        }
    }

    [TestMethod]
    public void Align_ByCoral_LeavesADomainWhereItIs()
    {
        FeatureTable source = Rows.Clusters(30, 50, 2);
        Near(source.Values, AlignmentMethod.Coral.Align(source, source).Values, 1e-4);
    }

    [TestMethod]
    public void Align_BySubspace_LiesInTheTargetsMainDirections()
    {
        // Nearly all of the target's variance is along (1, …, 1) once features are standardised.
        var rng = new Rng(6);
        float[] values = new float[200 * Width];
        for (int i = 0; i < 200; i++)
        {
            double common = rng.NextNormal();
            for (int j = 0; j < Width; j++)
                values[i * Width + j] = Square((float)(common + 0.01 * rng.NextNormal()));
        }

        FeatureTable target = Rows.Table(new int[200], values, Width, 2),
            found = Roots(AlignmentMethod.Subspace.Align(Rows.Clusters(50, Width, 2), target));
        target = Roots(target);
        // Of a row on one line through the mean, all features are the same number of deviations from their means.
        for (int row = 0; row < found.Rows; row++)
        for (int j = 1; j < Width; j++)
            Assert.AreEqual(
                (found.Row(row)[0] - Mean(target, 0)) / Deviation(target, 0),
                (found.Row(row)[j] - Mean(target, j)) / Deviation(target, j),
                0.02,
                "the line is that of 200 rows with noise"
            );
    }

    /// <summary>Sinkhorn's own scaling of the kernel, in float64, as numpy does it.</summary>
    [TestMethod]
    public void Align_ByTransport_IsTheBarycentreOfSinkhornsPlan()
    {
        FeatureTable source = Rows.Clusters(25, Width, 2),
            target = Moved(Rows.Clusters(40, Width, 2, seed: 8)),
            found = AlignmentMethod.Transport.Align(source, target);
        double[] expected = Sklearn
            .Run(
                """
                a, b = (np.array(d[k]).reshape(-1, d["width"]) for k in "ab")
                a, b = (np.sign(x) * np.sqrt(abs(x)) for x in (a, b))
                z = lambda x: (x - x.mean(0)) / x.std(0) / np.sqrt(d["width"])
                u, v = z(a), z(b)
                c = ((u[:, None] - v[None]) ** 2).sum(2)
                k = np.exp(-c / (0.03 * c.mean()))
                g = np.ones(len(b))
                for _ in range(3000):
                    f = 1 / len(a) / (k @ g)
                    g = 1 / len(b) / (k.T @ f)
                p = k * g
                m = (p / p.sum(1, keepdims=True) @ b).ravel()
                r = m * abs(m)
                """,
                new
                {
                    a = source.Values,
                    b = target.Values,
                    width = Width,
                }
            )
            .Doubles();
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found.Values[i], 0.005 * largest, "ended when potentials move by ε/1000");
    }

    [TestMethod]
    public void Align_ByTransport_LiesWithinTheTarget()
    {
        FeatureTable source = Rows.Clusters(30, Width, 3, separation: 5),
            target = Moved(Rows.Clusters(30, Width, 3, separation: 5, seed: 2)),
            found = AlignmentMethod.Transport.Align(source, target);
        for (int j = 0; j < Width; j++)
        {
            float[] column = [.. Enumerable.Range(0, 30).Select(row => target.Row(row)[j])];
            for (int row = 0; row < found.Rows; row++)
                Assert.IsInRange(column.Min() - 1e-3f, column.Max() + 1e-3f, found.Row(row)[j]);
        }
    }

    [TestMethod]
    public void Align_ByTransport_CarriesARowThatIsFarFromAllOthers()
    {
        // Its cost is many times the mean, so that every exponential on its own is 0.
        FeatureTable clusters = Rows.Clusters(400, 1, 2),
            source = Each(clusters, (value, _) => value),
            target = Moved(Rows.Clusters(400, 1, 2, seed: 2));
        source.Values[7] = 1e6f;
        FeatureTable found = AlignmentMethod.Transport.Align(source, target);
        float least = target.Values.Min();
        Assert.IsTrue(found.Values.All(value => value >= least - 1e-3f), "within the target, and none left at 0");
    }

    [TestMethod]
    [DataRow("None")]
    [DataRow("Standardize")]
    [DataRow("Coral")]
    [DataRow("Subspace")]
    public void Align_GroupsOfTaps_AreMovedApart(string name)
    {
        AlignmentMethod method = AlignmentMethod.All.Find(name);
        FeatureTable source = Rows.Clusters(40, Width, 2),
            target = Moved(Rows.Clusters(50, Width, 2, seed: 3));
        FeatureTable together = method.Align(
            source,
            target,
            new AlignmentOptions { Groups = new TapGroups(["a", "b"], [2, 4]) }
        );
        FeatureTable alone = method.Align(source.Columns(2, 4), target.Columns(2, 4));
        Near(alone.Values, together.Columns(2, 4).Values, 1e-5);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Align_ConstantFeatures_AreFiniteAndTheTargets(string name)
    {
        // 0.1 is no float, so that its mean is not quite what every row has.
        FeatureTable source = Each(Rows.Clusters(20, Width, 2), (value, j) => j == 0 ? 0.1f : value),
            target = Each(Rows.Clusters(20, Width, 2, seed: 5), (value, j) => j <= 1 ? 0.3f : value),
            found = AlignmentMethod.All.Find(name).Align(source, target);
        // The table's own constructor refuses what is not finite.
        Assert.AreEqual(20, found.Rows);
        if (name != "None")
            for (int row = 0; row < 20; row++)
            {
                Assert.AreEqual(0.3, found.Row(row)[0], 1e-4);
                if (name != "Coral")
                    Assert.AreEqual(0.3, found.Row(row)[1], 1e-4);
            }
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Align_OtherNumberOfThreads_GivesTheSameBytes(string name)
    {
        FeatureTable source = Rows.Clusters(90, 40, 3),
            target = Moved(Rows.Clusters(70, 40, 3, seed: 3));
        float[] Of(int workers) =>
            AlignmentMethod.All.Find(name).Align(source, target, new AlignmentOptions { Workers = workers }).Values;
        CollectionAssert.AreEqual(Of(1), Of(5));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Align_WhatCannotBe_SaysWhy(string name)
    {
        AlignmentMethod method = AlignmentMethod.All.Find(name);
        FeatureTable rows = Rows.Clusters(10, Width, 2);
        StringAssert.Contains(Refused(rows, Rows.Clusters(10, 5, 2)), "Rows of 6 features");
        StringAssert.Contains(Refused(rows, rows.Select([0])), "at least 2 of each");
        StringAssert.Contains(
            Refused(rows, rows, new AlignmentOptions { Groups = new TapGroups(["a"], [5]) }),
            "The groups have 5 features, a row has 6."
        );

        string Refused(FeatureTable source, FeatureTable target, AlignmentOptions? options = null) =>
            Assert.ThrowsExactly<ArgumentException>(() => method.Align(source, target, options)).Message;
    }

    [TestMethod]
    public void Align_Cancelled_Ends()
    {
        FeatureTable rows = Rows.Clusters(200, 64, 2);
        using var ended = new CancellationTokenSource();
        ended.Cancel();
        foreach (AlignmentMethod method in new[] { AlignmentMethod.Coral, AlignmentMethod.Transport })
            Assert.Throws<OperationCanceledException>(() => method.Align(rows, rows, null, ended.Token));
    }

    /// <summary>Mixed, scaled and shifted: what another domain looks like.</summary>
    private static FeatureTable Moved(FeatureTable table)
    {
        var values = new float[table.Values.Length];
        for (int row = 0; row < table.Rows; row++)
        for (int j = 0; j < table.Width; j++)
            values[row * table.Width + j] =
                2 * table.Row(row)[j] + 0.5f * table.Row(row)[(j + 1) % table.Width] + 5 + j;
        return new FeatureTable(table.ClassNames, table.Labels, values, table.Width);
    }

    private static float Root(float value) => MathF.CopySign(MathF.Sqrt(MathF.Abs(value)), value);

    private static float Square(float root) => root * MathF.Abs(root);

    private static FeatureTable Roots(FeatureTable table) => Each(table, (value, _) => Root(value));

    private static FeatureTable Each(FeatureTable table, Func<float, int, float> of) =>
        new(
            table.ClassNames,
            table.Labels,
            [.. table.Values.Select((value, i) => of(value, i % table.Width))],
            table.Width
        );

    private static double Mean(FeatureTable table, int feature) =>
        Enumerable.Range(0, table.Rows).Average(row => (double)table.Row(row)[feature]);

    private static double Deviation(FeatureTable table, int feature) => Math.Sqrt(Covariance(table)[feature, feature]);

    private static double[,] Covariance(FeatureTable table)
    {
        double[] mean = [.. Enumerable.Range(0, table.Width).Select(j => Mean(table, j))];
        var sums = new double[table.Width, table.Width];
        for (int row = 0; row < table.Rows; row++)
        for (int i = 0; i < table.Width; i++)
        for (int j = 0; j < table.Width; j++)
            sums[i, j] += (table.Row(row)[i] - mean[i]) * (table.Row(row)[j] - mean[j]) / table.Rows;
        return sums;
    }

    private static void Near(float[] expected, float[] found, double share)
    {
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], share * largest, "rounding of float32");
    }
}
