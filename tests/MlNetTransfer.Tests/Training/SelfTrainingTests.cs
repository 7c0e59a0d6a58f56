using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

[TestClass]
public sealed class SelfTrainingTests
{
    private const int Width = 40,
        Classes = 4;

    private static readonly TapGroups Groups = new(["first", "second"], [Width / 2, Width / 2]);
    private static readonly HeadRecipeOptions Options = new() { Seed = 3, Workers = 2 };

    /// <summary>Clusters that overlap, a few rows of which have labels: what is seen of the others helps.</summary>
    [TestMethod]
    public void Fit_ClustersAndFewLabels_TakesTheOthersAndIsMoreOftenRight()
    {
        (FeatureTable few, FeatureTable many, FeatureTable test) = Task();
        FittedHead alone = Alone(few),
            found = Fit(alone, few, many, null);
        SelfTrainingSummary summary = found.SelfTraining!;
        Assert.IsNotNull(summary.Method, string.Join('\n', summary.Trials));
        SelfTrainingTrial taken = summary.Trials.Single(t => t.Taken);
        Assert.AreEqual(summary.Method.Label, taken.Name);
        Assert.AreEqual(summary.Trials.Min(t => t.LogLoss), taken.LogLoss);
        Assert.AreEqual(summary.Trials[0].LogLoss - taken.LogLoss, taken.Gain, 1e-9);
        Assert.IsGreaterThan(0, taken.GainError);
        Assert.AreEqual(many.Rows, summary.Images);
        Assert.AreEqual(many.Rows, summary.Classes.Sum());
        Assert.IsTrue(summary.Certainty is > 0 and < 1);
        Assert.AreEqual(HeadKind.Kernel.Label, found.Selection.Name);
        StringAssert.StartsWith(summary.Verdict, $"The model is trained on {many.Rows} items without labels too");
        Assert.IsGreaterThan(Right(alone, test) + 0.02, Right(found, test));
    }

    /// <summary>Rows of another kind say nothing of these: the head is that of the labelled rows.</summary>
    [TestMethod]
    public void Fit_OthersOfAnotherKind_KeepsTheHeadOfTheLabelled()
    {
        (FeatureTable few, FeatureTable _, FeatureTable test) = Task(perClass: 12);
        var rng = new Rng(8);
        FeatureTable noise = new(
            few.ClassNames,
            new int[200],
            [.. Enumerable.Range(0, 200 * Width).Select(_ => (float)(30 * rng.NextNormal()))],
            Width
        );
        FittedHead alone = Alone(few),
            found = Fit(alone, few, noise, null);
        Assert.IsNull(found.SelfTraining!.Method, string.Join('\n', found.SelfTraining.Trials));
        Assert.AreSame(alone.Head, found.Head);
        Assert.IsEmpty(found.SelfTraining.Classes);
        Assert.IsTrue(found.SelfTraining.Trials.All(t => t.Taken == (t.Name == "none")));
        StringAssert.StartsWith(found.SelfTraining.Verdict, "The 200 items without labels were not used");
        CollectionAssert.AreEqual(alone.Predict(test), found.Predict(test));

        // By name it is taken nevertheless.
        FittedHead named = Fit(alone, few, noise, PseudoLabelMethod.Confidence);
        Assert.AreEqual(PseudoLabelMethod.Confidence, named.SelfTraining!.Method);
        Assert.HasCount(2, named.SelfTraining.Trials);
        Assert.IsTrue(named.SelfTraining.Trials[1].Taken && named.SelfTraining.Trials[1].Gain < 0);
    }

    [TestMethod]
    public void Fit_Threads_ChangeNothing()
    {
        (FeatureTable few, FeatureTable many, FeatureTable test) = Task();
        float[] Of(int workers)
        {
            HeadRecipeOptions options = Options with { Workers = workers };
            FittedHead alone = new HeadFitter(options, Groups, "second").Fit(few, null, CancellationToken.None);
            return new SelfTraining(many, null, options, Groups)
                .Fit(alone, few, null, CancellationToken.None)
                .Predict(test);
        }

        CollectionAssert.AreEqual(Of(1), Of(3));
    }

    /// <summary>Of one label a class, nothing can be held out: there is no ground to take the others.</summary>
    [TestMethod]
    public void Fit_OneLabelAClass_IsNotJudged()
    {
        (FeatureTable few, FeatureTable many, FeatureTable _) = Task(perClass: 1);
        FittedHead alone = Alone(few);
        SelfTrainingSummary summary = Fit(alone, few, many, null).SelfTraining!;
        Assert.IsNull(summary.Method);
        StringAssert.Contains(summary.Verdict, "too few labelled ones to hold any out");
        Assert.AreEqual(
            PseudoLabelMethod.Propagation,
            Fit(alone, few, many, PseudoLabelMethod.Propagation).SelfTraining!.Method
        );
    }

    /// <summary>
    /// The taps of the labelled rows' head stay where they were asked for; of a free choice the last ones are taken.
    /// </summary>
    [TestMethod]
    public void Fit_TapsThatWereGiven_AreKept()
    {
        (FeatureTable few, FeatureTable many, FeatureTable _) = Task();
        HeadRecipeOptions given = Options with { Head = HeadKind.Kernel };
        FittedHead alone = new HeadFitter(given, Groups, "second").Fit(few, null, CancellationToken.None);
        FittedHead found = new SelfTraining(many, PseudoLabelMethod.Propagation, given, Groups).Fit(
            alone,
            few,
            null,
            CancellationToken.None
        );
        CollectionAssert.AreEqual(alone.Taps.ToArray(), found.Taps.ToArray());
        CollectionAssert.AreEqual(
            new[] { 0, 1 },
            Fit(Alone(few), few, many, PseudoLabelMethod.Propagation).Taps.ToArray()
        );
    }

    /// <summary>Weights that are those of balanced classes give the head of balanced classes.</summary>
    [TestMethod]
    public void Weights_OfBalancedClasses_GiveTheHeadsOfThem()
    {
        FeatureTable rows = Rows.Clusters(60, 10, 3, 0.6).Select([.. Enumerable.Range(0, 45)]);
        int[] counts = rows.RowsPerClass();
        FeatureTable weighted = new(rows.ClassNames, rows.Labels, rows.Values, rows.Width)
        {
            Weights = [.. rows.Labels.Select(label => 7.0 / counts[label])],
        };
        foreach (HeadKind kind in (HeadKind[])[HeadKind.Ridge, HeadKind.Kernel])
        {
            float[] expected = kind.Trainer(new HeadSettings { ClassWeights = ClassWeights.Balanced })
                    .Fit(rows)
                    .Predict(rows),
                found = kind.Trainer(new HeadSettings()).Fit(weighted).Predict(rows);
            for (int i = 0; i < found.Length; i++)
                Assert.AreEqual(expected[i], found[i], 1e-5, kind.Label);
        }

        CollectionAssert.AreEqual(
            new[] { weighted.Weights[4], weighted.Weights[2] },
            weighted.Select([4, 2]).Columns(0, 3).Weights
        );
        Assert.ThrowsExactly<ArgumentException>(() =>
            new FeatureTable(rows.ClassNames, rows.Labels, rows.Values, rows.Width) { Weights = [1] }
        );
    }

    private static (FeatureTable Few, FeatureTable Many, FeatureTable Test) Task(int perClass = 4)
    {
        FeatureTable all = Rows.Clusters(900, Width, Classes, 0.45);
        int[] few = [.. Enumerable.Range(0, Classes).SelectMany(c => RowsOf(c).Take(perClass))],
            rest = [.. Enumerable.Range(0, all.Rows).Except(few)];
        return (all.Select(few), all.Select(rest[..400]), all.Select(rest[400..]));

        IEnumerable<int> RowsOf(int label) => Enumerable.Range(0, all.Rows).Where(row => all.Labels[row] == label);
    }

    private static FittedHead Alone(FeatureTable few) =>
        new HeadFitter(Options, Groups, "second").Fit(few, null, CancellationToken.None);

    private static FittedHead Fit(FittedHead alone, FeatureTable few, FeatureTable many, PseudoLabelMethod? method) =>
        new SelfTraining(many, method, Options, Groups).Fit(alone, few, null, CancellationToken.None);

    private static double Right(FittedHead head, FeatureTable test)
    {
        float[] said = head.Predict(test);
        return Enumerable
            .Range(0, test.Rows)
            .Average(row =>
            {
                ReadOnlySpan<float> own = said.AsSpan(row * Classes, Classes);
                int best = 0;
                for (int c = 1; c < Classes; c++)
                    if (own[c] > own[best])
                        best = c;
                return best == test.Labels[row] ? 1.0 : 0;
            });
    }
}
