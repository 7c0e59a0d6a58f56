using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

/// <summary>Made features of networks whose worth is known.</summary>
[TestClass]
public sealed class BackboneChooserTests
{
    private const int Count = 160;
    private static readonly int[] Labels = [.. Enumerable.Range(0, Count).Select(i => i % 2)];

    [TestMethod]
    public void Fit_TwoNetworksWithTheSameFeatures_TakesTheCheaper()
    {
        float[][] features = Informative(seed: 1);
        Assert.AreEqual("cheap", Choose([("dear", features, 900), ("cheap", features, 100)]).Networks);
        Assert.AreEqual("cheap", Choose([("cheap", features, 100), ("dear", features, 900)]).Networks);
    }

    [TestMethod]
    public void Fit_DearNetworkThatSees_IsTakenBeforeACheapOneThatDoesNot() =>
        Assert.AreEqual("dear", Choose([("cheap", Noise(1), 1), ("dear", Informative(2), 900)]).Networks);

    /// <summary>Each network sees half of what tells the classes apart: a sum that neither knows.</summary>
    [TestMethod]
    public void Fit_NetworksThatCompleteEachOther_AreTakenTogether()
    {
        Rng rng = new(3);
        float[][] one = [.. Labels.Select(_ => new float[4])],
            other = [.. Labels.Select(_ => new float[4])];
        for (int i = 0; i < Count; i++)
        {
            double part = rng.NextNormal() * 3,
                sum = (Labels[i] == 0 ? -1.5 : 1.5) + 0.3 * rng.NextNormal();
            one[i][0] = (float)part;
            other[i][0] = (float)(sum - part);
        }

        FittedHead found = Choose([("one", one, 10), ("other", other, 10)], HeadKind.Ridge);
        Assert.AreEqual("one+other", found.Networks);
        LeaderboardRow taken = found.Leaderboard.Single(row => row.Taken);
        Assert.AreEqual(1, taken.Accuracy, 0.01, "the classes are ten standard deviations apart");
        Assert.AreEqual("one+other", taken.Backbone);
    }

    [TestMethod]
    public void Fit_Budget_LeavesOutWhatIsSlower()
    {
        var choice = new BackboneChoice { MostMilliseconds = 50 };
        FittedHead found = Choose(
            [("slow", Informative(1), 100), ("quick", Noise(2), 40), ("quicker", Noise(3), 30)],
            choice: choice
        );
        Assert.AreEqual(
            0,
            found.Leaderboard.Count(row => row.Backbone.Contains("slow") || row.Backbone.Contains('+')),
            "slow alone is above 50 ms, quick and quicker together too"
        );
    }

    /// <summary>Two rows a class cannot be held out: the first network of those given.</summary>
    [TestMethod]
    public void Fit_FewRows_TakesTheFirst()
    {
        (string, float[][], double)[] networks = [("first", Noise(1)[..4], 9), ("second", Informative(1)[..4], 1)];
        FittedHead found = Chooser(networks, HeadKind.Auto, new BackboneChoice())
            .Fit(Table(networks, Labels[..4]), true, null, default);
        Assert.AreEqual("first", found.Networks);
        Assert.IsEmpty(found.Leaderboard);
    }

    private static FittedHead Choose(
        (string Name, float[][] Rows, double Cost)[] networks,
        HeadKind? head = null,
        BackboneChoice? choice = null
    ) =>
        Chooser(networks, head ?? HeadKind.Auto, choice ?? new BackboneChoice())
            .Fit(Table(networks, Labels), true, null, default);

    private static BackboneChooser Chooser(
        (string Name, float[][] Rows, double Cost)[] networks,
        HeadKind head,
        BackboneChoice choice
    ) =>
        new(
            choice,
            new HeadRecipeOptions { Head = head, Workers = 2 },
            new TapGroups(
                [.. networks.Select(n => $"{n.Name}/tap")],
                [.. networks.Select(n => n.Rows[0].Length)],
                [.. networks.Select(n => n.Name)]
            ),
            [.. networks.Select(n => new NetworkCost(n.Name, n.Cost, (long)n.Cost, 1))],
            [.. networks.Select(n => $"{n.Name}/tap")]
        );

    private static FeatureTable Table((string, float[][] Rows, double)[] networks, int[] labels) =>
        Rows.Table(
            labels,
            [.. labels.SelectMany((_, i) => networks.SelectMany(n => n.Rows[i]))],
            networks.Sum(n => n.Rows[0].Length),
            2
        );

    private static float[][] Informative(int seed)
    {
        Rng rng = new(seed);
        return [.. Labels.Select(label => (float[])[.. Enumerable.Range(0, 4).Select(_ => Value(label))])];

        float Value(int label) => (float)(2 * label + rng.NextNormal());
    }

    private static float[][] Noise(int seed)
    {
        Rng rng = new(seed);
        return [.. Labels.Select(_ => (float[])[.. Enumerable.Range(0, 4).Select(_ => (float)rng.NextNormal())])];
    }
}
