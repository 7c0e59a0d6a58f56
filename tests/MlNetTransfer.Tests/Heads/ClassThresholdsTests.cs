using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class ClassThresholdsTests
{
    // Enough for thirty rows of the rarer of two classes.
    private const int Many = 300;

    /// <summary>Oracle: every threshold between two rows, tried one after the other.</summary>
    [TestMethod]
    public void Offsets_TwoClasses_AreTheBestOfAll()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            (float[] p, int[] labels) = Scores(Many, 2, seed);
            double[] offsets = ThresholdSearch.Offsets(p, labels, 2);
            double best = Enumerable
                .Range(0, Many)
                .Select(i => Math.Log(p[2 * i + 1] / p[2 * i]))
                .SelectMany(m => (double[])[m + 1e-6, m - 1e-6])
                .Append(0)
                .Max(threshold =>
                    MacroF1(
                        labels,
                        [
                            .. Enumerable
                                .Range(0, Many)
                                .Select(i => Math.Log(p[2 * i + 1] / p[2 * i]) > threshold ? 1 : 0),
                        ],
                        2
                    )
                );
            Assert.AreEqual(best, MacroF1(labels, Predicted(p, offsets), 2), 1e-9, $"seed {seed}");
        }
    }

    [TestMethod]
    public void Offsets_SeveralClasses_NeverLowerTheMacroF1()
    {
        for (int seed = 0; seed < 10; seed++)
        {
            (float[] p, int[] labels) = Scores(80, 4, seed);
            double before = MacroF1(labels, Predicted(p, new double[4]), 4),
                after = MacroF1(labels, Predicted(p, ThresholdSearch.Offsets(p, labels, 4)), 4);
            Assert.IsGreaterThanOrEqualTo(before, after, $"seed {seed}");
        }
    }

    [TestMethod]
    public void Offsets_NothingToGain_AreZero()
    {
        float[] p = [0.9f, 0.1f, 0.2f, 0.8f, 0.7f, 0.3f];
        CollectionAssert.AreEqual(new double[2], ThresholdSearch.Offsets(p, [0, 1, 0], 2));
    }

    [TestMethod]
    public void Fit_WithThresholds_MovesTheLogitsOfTheHeadThatIsChosenWithout()
    {
        FeatureTable table = Rows.Clusters(150, 8, 3, 0.3);
        HeadFitter Fitter(ClassThresholds thresholds) =>
            new(new HeadRecipeOptions { Thresholds = thresholds }, new TapGroups(["a"], [8]), "a");
        FittedHead plain = Fitter(ClassThresholds.None).Fit(table, null, CancellationToken.None),
            moved = Fitter(ClassThresholds.MacroF1).Fit(table, null, CancellationToken.None);
        Assert.AreEqual(plain.Selection.Name, moved.Selection.Name);
        float[] before = new float[150 * 3],
            after = new float[150 * 3];
        plain.Head.Logits(table.Values, before);
        moved.Head.Logits(table.Values, after);
        for (int i = 0; i < 150; i++)
        for (int c = 0; c < 3; c++)
            Assert.AreEqual(after[c] - before[c], after[i * 3 + c] - before[i * 3 + c], 1e-5, "float32");
        Assert.AreNotEqual(before[0], after[0], "a table on which thresholds differ from 0");
    }

    private static int[] Predicted(float[] p, double[] offsets) =>
        [
            .. Enumerable
                .Range(0, p.Length / offsets.Length)
                .Select(i =>
                    Enumerable.Range(0, offsets.Length).MaxBy(c => Math.Log(p[i * offsets.Length + c]) + offsets[c])
                ),
        ];

    private static double MacroF1(int[] labels, int[] predicted, int classes) =>
        Enumerable
            .Range(0, classes)
            .Average(c =>
            {
                int hits = labels.Zip(predicted).Count(pair => pair == (c, c)),
                    all = labels.Count(l => l == c) + predicted.Count(q => q == c);
                return all == 0 ? 0 : 2.0 * hits / all;
            });

    // Rare later classes, scores that lean towards the truth.
    private static (float[] P, int[] Labels) Scores(int rows, int classes, int seed)
    {
        var rng = new Rng(seed);
        int[] labels =
        [
            .. Enumerable.Range(0, rows).Select(i => i < classes ? i : (int)(classes * Math.Pow(rng.NextDouble(), 3))),
        ];
        var p = new float[rows * classes];
        for (int i = 0; i < rows; i++)
        {
            double[] e =
            [
                .. Enumerable
                    .Range(0, classes)
                    .Select(c => Math.Exp(rng.NextNormal() + (c == labels[i] ? 1 : 0) - 0.5 * c)),
            ];
            for (int c = 0; c < classes; c++)
                p[i * classes + c] = (float)(e[c] / e.Sum());
        }

        return (p, labels);
    }
}
