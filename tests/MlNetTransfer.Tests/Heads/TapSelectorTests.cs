using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class TapSelectorTests
{
    [TestMethod]
    public void Measure_OneInformativeTapAmongNoise_FindsIt()
    {
        FeatureTable table = Table(classes: 3, perClass: 20, (5, 0), (7, 2), (3, 0));
        IReadOnlyList<TapTrial> trials = new TapSelector().Measure(
            table,
            [("noise", 5), ("signal", 7), ("more noise", 3)]
        );
        Assert.AreEqual("signal", TapSelector.Best(trials).Tap);
        Assert.AreEqual(7, TapSelector.Best(trials).Width);
        Assert.IsGreaterThan(0.9, TapSelector.Best(trials).Accuracy);
        Assert.AreEqual(
            Math.Log(3),
            trials[0].LogLoss,
            0.15,
            "Noise predicts no better than the class shares: ln 3 nats."
        );
    }

    [TestMethod]
    public void Measure_EachTap_EqualsTheHeadFittedOnItsColumnsAlone()
    {
        FeatureTable table = Table(classes: 2, perClass: 15, (4, 1), (6, 0.5));
        IReadOnlyList<TapTrial> trials = new TapSelector().Measure(table, [("a", 4), ("b", 6)]);
        Compared<double> alone = new SoftmaxTrainer().Fit(table.Columns(4, 6)).Report.L2Path.MinBy(t => t.LogLoss)!;
        Assert.AreEqual((alone.LogLoss, alone.Accuracy), (trials[1].LogLoss, trials[1].Accuracy));
    }

    [TestMethod]
    public void Measure_OneRowPerClass_HasNothingToMeasure() =>
        Assert.IsEmpty(new TapSelector().Measure(Table(classes: 3, perClass: 1, (4, 1), (4, 1)), [("a", 4), ("b", 4)]));

    [TestMethod]
    public void Measure_WidthsThatDoNotAddUp_SaysSo()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() =>
            new TapSelector().Measure(Table(2, 3, (4, 1)), [("a", 3)])
        );
        StringAssert.Contains(e.Message, "3");
        StringAssert.Contains(e.Message, "4");
    }

    /// <summary>Unit noise; in each tap the class's own feature is shifted by the tap's signal.</summary>
    private static FeatureTable Table(int classes, int perClass, params (int Width, double Signal)[] taps)
    {
        var rng = new Rng(7);
        int[] labels = [.. Enumerable.Range(0, classes * perClass).Select(i => i % classes)];
        float[] values =
        [
            .. labels.SelectMany(label =>
                taps.SelectMany(tap =>
                    Enumerable
                        .Range(0, tap.Width)
                        .Select(f => (float)(rng.NextNormal() + (f == label ? 2 * tap.Signal : 0)))
                )
            ),
        ];
        return new FeatureTable(
            [.. Enumerable.Range(0, classes).Select(c => $"class {c}")],
            labels,
            values,
            taps.Sum(t => t.Width)
        );
    }
}
