using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Tests;

namespace MlNetTransfer.Cli.Tests.Reports;

[TestClass]
public sealed class RankingCurvesTests
{
    private static readonly string[] Classes = ["a", "b", "c", "d", "e"];

    /// <summary>Probabilities in quarters: nearly every image is tied with others.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_AnyImages_PointsAreSklearns(bool tied)
    {
        (int[] labels, EvaluatedItem[] images) = Guesses(90, tied);
        for (int c = 0; c < Classes.Length; c++)
        {
            bool[] own = [.. labels.Select(label => label == c)];
            float[] said = [.. images.Select(image => image.Probabilities.Span[c])];
            JsonElement expected = Sklearn.Run(
                """
                from sklearn.metrics import roc_curve, precision_recall_curve, roc_auc_score, average_precision_score
                y = np.array(d['own']); p = np.array(d['said'])
                fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
                precision, recall, _ = precision_recall_curve(y, p)
                r = [fpr, tpr, recall[::-1], precision[::-1], [roc_auc_score(y, p), average_precision_score(y, p)]]
                """,
                new { own, said }
            );
            RankingCurve found = RankingCurve.Of("c", own, said)!;
            AreEqual(expected[0], found.Roc.Select(point => point.X));
            AreEqual(expected[1], found.Roc.Select(point => point.Y));
            AreEqual(expected[2], found.PrecisionRecall.Select(point => point.X));
            AreEqual(expected[3], found.PrecisionRecall.Select(point => point.Y));
            AreEqual(expected[4], [found.RocAuc, found.AveragePrecision]);
        }
    }

    /// <summary>What is drawn of precision has the area that is printed beside it.</summary>
    [TestMethod]
    public void PrecisionSteps_AnyImages_EncloseTheAveragePrecision()
    {
        (int[] labels, EvaluatedItem[] images) = Guesses(90, tied: true);
        RankingCurve curve = RankingCurve.Of(
            "a",
            [.. labels.Select(label => label == 0)],
            [.. images.Select(image => image.Probabilities.Span[0])]
        )!;
        (double X, double Y)[] steps = [.. curve.PrecisionSteps()];
        double area = steps.Zip(steps.Skip(1), (a, b) => (b.X - a.X) * (a.Y + b.Y) / 2).Sum();
        Assert.AreEqual(curve.AveragePrecision, area, 1e-12, "sums of the same terms");
    }

    /// <summary>Means commute with areas: that of the mean curve is the mean of the areas, but for the grid.</summary>
    [TestMethod]
    public void Of_SeveralClasses_KeepsTheWeakestAndTheMeanOfAll()
    {
        (int[] labels, EvaluatedItem[] images) = Guesses(120, tied: false);
        RankingCurve[] all =
        [
            .. Classes.Select(
                (name, c) =>
                    RankingCurve.Of(
                        name,
                        [.. labels.Select(label => label == c)],
                        [.. images.Select(image => image.Probabilities.Span[c])]
                    )!
            ),
        ];
        RankingCurves found = RankingCurves.Of(Classes, labels, images)!;
        Assert.AreEqual(Classes.Length, found.Measured);
        CollectionAssert.AreEqual(
            all.OrderBy(c => c.RocAuc).Take(RankingCurves.Most).Select(c => c.Name).ToArray(),
            found.Weakest.Select(c => c.Name).ToArray()
        );
        double area = found.MeanRoc.Zip(found.MeanRoc.Skip(1), (a, b) => (b.X - a.X) * (a.Y + b.Y) / 2).Sum();
        // A curve that rises by 1 in all is off by at most half a step of the grid, of which there are 200.
        Assert.AreEqual(all.Average(c => c.RocAuc), area, 0.0025);
    }

    [TestMethod]
    public void Of_OneClassAlone_IsNothing() =>
        Assert.IsNull(
            RankingCurves.Of(
                ["a", "b"],
                [0, 0],
                [new EvaluatedItem("x", "a", null, new[] { 0.9f, 0.1f }), new("y", "a", null, new[] { 0.7f, 0.3f })]
            )
        );

    private static void AreEqual(JsonElement expected, IEnumerable<double> found)
    {
        double[] values = [.. found],
            wanted = expected.Doubles();
        Assert.HasCount(wanted.Length, values);
        for (int i = 0; i < values.Length; i++)
            Assert.AreEqual(wanted[i], values[i], 1e-12, "counts, divided in double");
    }

    private static (int[] Labels, EvaluatedItem[] Images) Guesses(int rows, bool tied)
    {
        var random = new Random(5);
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i % Classes.Length)];
        return (
            labels,
            [
                .. labels.Select(
                    (label, i) =>
                    {
                        float[] said =
                        [
                            .. Classes.Select((_, c) => random.NextSingle() + (c == label ? 0.1f * (c + 1) : 0)),
                        ];
                        float sum = said.Sum();
                        return new EvaluatedItem(
                            $"{i}.png",
                            Classes[label],
                            null,
                            said.Select(p => tied ? MathF.Round(8 * p / sum) / 8 : p / sum).ToArray()
                        );
                    }
                ),
            ]
        );
    }
}
