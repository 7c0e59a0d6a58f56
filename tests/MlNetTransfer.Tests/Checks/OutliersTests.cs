using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Tests.Checks;

/// <summary>Oracle: scikit-learn's nearest neighbours on features standardised by numpy.</summary>
[TestClass]
public sealed class OutliersTests
{
    private const int PerClass = 60,
        Width = 12;

    private const string Distances = """
        x, y = np.array(d["x"]).reshape(len(d["y"]), -1), np.array(d["y"])
        x = np.sign(x) * np.sqrt(np.abs(x))
        x = (x - x.mean(0)) / x.std(0)
        from sklearn.neighbors import NearestNeighbors
        s = np.zeros(len(y))
        for c in set(y):
            own = x[y == c]
            s[y == c] = NearestNeighbors(n_neighbors=6).fit(own).kneighbors(own)[0][:, 1:].mean(1)
        a = np.sort(np.log(s)); m = np.median(a); m = float(m)
        above = np.median(a[a >= m] - m) * 1.4826
        r = [np.where(np.log(s) > m + d["z"] * above)[0], np.exp(np.log(s) - m)]
        """;

    [TestMethod]
    public void Find_PlantedAmongNormalRows_AreThoseOfSklearn()
    {
        CheckedImages images = Images([5, 70]);
        var features = images.Table.Values.ToArray();
        System.Text.Json.JsonElement expected = Sklearn.Run(
            Distances,
            new
            {
                x = features,
                y = images.Table.Labels,
                z = Outliers.Deviations,
            }
        );
        double[] ratios = expected[1].Doubles();
        DataFinding[] found = [.. Find(images, [.. Enumerable.Range(0, images.Count)], [])];
        CollectionAssert.AreEquivalent(
            expected[0].Doubles().Select(row => $"{row}").ToArray(),
            found.Select(f => f.Files[0]).ToArray()
        );
        foreach (DataFinding finding in found)
            // Distances from dot products of float32 lose a few of their seven digits.
            Assert.AreEqual(ratios[int.Parse(finding.Files[0])], finding.Score!.Value, 1e-3);
        CollectionAssert.IsSubsetOf(new[] { "5", "70" }, found.Select(f => f.Files[0]).ToArray());
    }

    [TestMethod]
    public void Find_CopiesOfAnOutlier_DoNotHideIt()
    {
        CheckedImages images = Images([5, 6, 7, 8, 9, 10]);
        int[] together = [.. Enumerable.Range(0, images.Count).Select(row => row is >= 5 and <= 10 ? 5 : row)];
        string[] found = [.. Find(images, together, [5]).Select(f => f.Files[0])];
        CollectionAssert.IsSubsetOf(new[] { "6", "7", "8", "9", "10" }, found);
        Assert.IsFalse(found.Contains("5"), "Something else explains it.");
    }

    private static IEnumerable<DataFinding> Find(CheckedImages images, int[] together, HashSet<int> passedOver) =>
        Outliers.Find(images, together, passedOver, new ParallelOptions { MaxDegreeOfParallelism = 2 }, null);

    /// <summary>Two classes of normal rows; the planted rows stand six deviations off, all at one place.</summary>
    private static CheckedImages Images(int[] planted)
    {
        var rng = new Random(4);
        var values = new float[2 * PerClass * Width];
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)(rng.NextDouble() + rng.NextDouble() + rng.NextDouble() + (i / Width / PerClass));
        foreach (int row in planted)
            values.AsSpan(row * Width, Width).Fill(9);
        int[] labels = [.. Enumerable.Range(0, 2 * PerClass).Select(row => row / PerClass)];
        var table = new FeatureTable(["a", "b"], labels, values, Width);
        return new CheckedImages(
            [.. labels.Select((label, row) => new DataItem("-", $"{row}", label))],
            table,
            ImagePoints.InPlace(table.Select([.. Enumerable.Range(0, labels.Length)])),
            [],
            new ImageFacts?[labels.Length],
            null
        );
    }
}
