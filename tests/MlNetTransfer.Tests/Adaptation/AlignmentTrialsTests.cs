using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Heads;

namespace MlNetTransfer.Tests.Adaptation;

[TestClass]
public sealed class AlignmentTrialsTests
{
    private const int Width = 12;

    /// <summary>Other scales and shifts of the same classes.</summary>
    [TestMethod]
    public void Run_ScaledFeatures_TakesTheSimplestThatUndoesIt()
    {
        FeatureTable source = Clusters(180, 1),
            target = Each(Clusters(180, 2), (value, j) => value * (0.3f + j % 4) + 20 * (j % 2));
        IReadOnlyList<AlignmentTrial> trials = Run(source, target, AlignmentMethod.All, target.Labels);
        AlignmentTrial taken = trials.Single(trial => trial.Taken);
        Assert.AreEqual(AlignmentMethod.Standardize, taken.Method, string.Join('\n', trials));
        Assert.IsGreaterThan(trials[0].Accuracy!.Value + 0.2, taken.Accuracy!.Value);
    }

    /// <summary>
    /// Transport makes predictions on the target sure and even whatever the classes are: it has the gain, and is refused
    /// since the moved classes lie on top of each other.
    /// </summary>
    [TestMethod]
    public void Run_ByTransportThatMixesUpClasses_KeepsTheUnmovedSource()
    {
        FeatureTable source = Clusters(180, 1),
            target = Each(Rows.Clusters(180, Width, 1, seed: 9), (value, _) => 30 + value);
        target = new FeatureTable(source.ClassNames, new int[180], target.Values, Width);
        IReadOnlyList<AlignmentTrial> trials = Run(source, target, [AlignmentMethod.Transport], null);
        Assert.IsGreaterThan(2 * trials[1].GainError, trials[1].Gain, "the images without labels speak for it");
        Assert.IsFalse(trials[1].KeepsClasses);
        Assert.IsLessThan(trials[0].SourceAccuracy, trials[1].SourceAccuracy);
        Assert.IsTrue(trials[0].Taken && !trials[1].Taken);
        Assert.IsNull(trials[0].Accuracy, "no labels were given");
    }

    [TestMethod]
    public void Run_DomainsThatAreOne_WeighsAllImagesAlike()
    {
        AlignmentTrial none = Run(Clusters(300, 1), Clusters(300, 2), [], null).Single();
        Assert.IsTrue(none.Taken);
        Assert.AreEqual((0.0, 0.0, true), (none.Gain, none.GainError, none.KeepsClasses));
        Assert.AreEqual(none.SourceAccuracy, none.WeightedAccuracy, 0.03, "the classifier of domains guesses");
    }

    /// <summary>Labels of some of the target's rows judge those alone.</summary>
    [TestMethod]
    public void Run_LabelsOfSomeRows_JudgeThose()
    {
        FeatureTable source = Clusters(120, 1),
            target = Clusters(60, 2);
        double all = Run(source, target, [], target.Labels).Single().Accuracy!.Value;
        // Right for the rows of a wrong label in place of those that have none: a third of them would be lost.
        int[] some = [.. target.Labels.Select((label, row) => row % 3 == 0 ? -1 : label)];
        Assert.AreEqual(all, Run(source, target, [], some).Single().Accuracy!.Value, 0.15, "of 40 rows");
        Assert.IsNull(Run(source, target, [], [.. some.Select(_ => -1)]).Single().Accuracy);
    }

    /// <summary>A target given twice says no more than once.</summary>
    [TestMethod]
    public void Run_CopiesOfTheTarget_CountOnce()
    {
        FeatureTable source = Clusters(120, 1),
            target = Each(Clusters(60, 2), (value, j) => value * (1 + 0.2f * (j % 3)));
        int[] twice = [.. Enumerable.Range(0, 120).Select(i => i % 60)];
        AlignmentTrial once = Run(source, target, [AlignmentMethod.Standardize], null)[1],
            again = Run(source, target.Select(twice), [AlignmentMethod.Standardize], null, twice)[1];
        Assert.AreEqual(once.GainError, again.GainError, 0.2 * once.GainError, "moments of 60 rows are those of 120");
    }

    private static IReadOnlyList<AlignmentTrial> Run(
        FeatureTable source,
        FeatureTable target,
        IEnumerable<AlignmentMethod> methods,
        IReadOnlyList<int>? truth,
        int[]? names = null
    ) =>
        new AlignmentTrials(
            new TwoDomains(
                source,
                target,
                [.. Enumerable.Range(0, source.Rows)],
                Digests(1, [.. Enumerable.Range(0, source.Rows)]),
                Digests(2, names ?? [.. Enumerable.Range(0, target.Rows)]),
                new TapGroups(["a"], [Width]),
                [0]
            ),
            new AlignmentOptions()
        ).Run(methods, truth, null, CancellationToken.None);

    /// <summary>The same six classes, other rows of them.</summary>
    private static FeatureTable Clusters(int rows, int part)
    {
        FeatureTable all = Rows.Clusters(600, Width, 6, separation: 1.5);
        return all.Select([.. Enumerable.Range((part - 1) * 300, rows)]);
    }

    private static FeatureTable Each(FeatureTable table, Func<float, int, float> of) =>
        new(
            table.ClassNames,
            table.Labels,
            [.. table.Values.Select((value, i) => of(value, i % table.Width))],
            table.Width
        );

    private static byte[] Digests(int set, int[] names) =>
        [.. names.SelectMany(name => SHA256.HashData(Encoding.UTF8.GetBytes($"{set} {name}")))];
}
