using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

/// <summary>Features of two networks side by side: 3 of one that sees, 500 of one that does not.</summary>
[TestClass]
public sealed class SeveralNetworksTests
{
    private const int Narrow = 3,
        Wide = 500;

    /// <summary>
    /// The definition: half of all squared distances is each network's, and their sum is what it was.
    /// </summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(0.1)]
    public void Scaler_TwoNetworks_HaveTheSameShareOfDistances(double damping)
    {
        FeatureTable table = Table(60, 1);
        var scaler = new FeatureScaler(table, new ParallelOptions(), damping);
        double[] share = new double[2];
        var row = new float[table.Width];
        for (int i = 0; i < table.Rows; i++)
        {
            scaler.Apply(table.Row(i), row);
            for (int j = 0; j < row.Length; j++)
                share[j < Narrow ? 0 : 1] += row[j] * row[j] / (double)table.Rows;
        }

        Assert.AreEqual(share[0], share[1], 1e-3 * share[0], "float32 rows");
        double whole = damping == 0 ? Narrow + Wide : share.Sum();
        Assert.AreEqual(whole, share.Sum(), 1e-3 * whole, "as many as there are standardised features");
    }

    /// <summary>
    /// A scale of a network is nobody's merit: damping is within each network, so that a factor on one of them changes
    /// nothing.
    /// </summary>
    [TestMethod]
    public void Discriminant_NetworkTimesThousand_PredictsTheSame()
    {
        FeatureTable train = Table(60, 1),
            test = Table(40, 2),
            largeTrain = Table(60, 1, 1000),
            largeTest = Table(40, 2, 1000);
        var trainer = new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 });
        float[] expected = trainer.Fit(train).Predict(test),
            found = trainer.Fit(largeTrain).Predict(largeTest);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-3, "weights a thousandth as large, in float32");
    }

    /// <summary>
    /// Standardised alone, 500 features of noise drown 3 that see; weighted by their widths, the head sees well.
    /// </summary>
    [TestMethod]
    public void Kernel_WideNetworkOfNoise_DoesNotDrownANarrowOne()
    {
        FeatureTable train = Table(60, 1),
            test = Table(200, 2);
        double weighted = Accuracy(train),
            plain = Accuracy(new FeatureTable(train.ClassNames, train.Labels, train.Values, train.Width));
        Assert.IsGreaterThan(0.9, weighted, "with both halves' distances equal, 3 features 2 apart are seen");
        Assert.IsLessThan(weighted - 0.05, plain);

        double Accuracy(FeatureTable rows) =>
            ClassificationReport
                .Of(test.ClassNames, test.Labels, new KernelRidgeTrainer().Fit(rows).Predict(test))
                .Accuracy;
    }

    [TestMethod]
    public void Columns_TapsOfTwoNetworks_SayHowWideEachIs()
    {
        var groups = new TapGroups(["a/1", "a/2", "b/1"], [2, 1, 3], ["a", "a", "b"]);
        FeatureTable table = Rows.Table([0, 1], [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16], 6, 2);
        FeatureTable some = groups.Columns(table, [1, 2]);
        CollectionAssert.AreEqual((float[])[3, 4, 5, 6, 13, 14, 15, 16], some.Values);
        CollectionAssert.AreEqual((int[])[1, 3], some.Networks!.ToArray());
        Assert.IsNull(groups.Columns(table, [0, 1]).Networks, "one network");
        CollectionAssert.AreEqual((int[])[1, 3], some.Select([1]).Networks!.ToArray(), "rows keep it");
    }

    private static FeatureTable Table(int rows, int seed, float scale = 1)
    {
        Rng rng = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i % 2)];
        float[] values =
        [
            .. labels.SelectMany(label =>
                Enumerable
                    .Range(0, Narrow + Wide)
                    .Select(j =>
                        j < Narrow ? (float)(5 + 2 * label + rng.NextNormal()) : scale * (float)rng.NextNormal()
                    )
            ),
        ];
        FeatureTable table = Rows.Table(labels, values, Narrow + Wide, 2);
        return new FeatureTable(table.ClassNames, labels, values, table.Width) { Networks = [Narrow, Wide] };
    }
}
