using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>What an evaluation may let a recipe see, whatever the recipe.</summary>
[TestClass]
public sealed class TrialRunnerTests
{
    private static readonly int[] Labels = [0, 1, 0, 1, 0, 1, 0, 1, 0];

    [TestMethod]
    public void CrossValidate_EveryRow_IsPredictedOnceByAFitThatHasNotSeenIt()
    {
        var recipe = new WatchedRecipe();
        Trial trial = Runner(recipe).CrossValidate([0, 1, 2, 0, 1, 2, 0, 1, 2]);
        CollectionAssert.AreEqual(
            (int[])[1, 2, 3, 0],
            recipe.Fits.Select(fit => fit.Fold).ToArray(),
            "the fit that is written comes last"
        );
        CollectionAssert.AreEqual(Enumerable.Range(0, 9).ToArray(), recipe.Fits[^1].Rows);
        Assert.AreSame(recipe.Fits[^1], trial.Fit);
        Assert.IsEmpty(recipe.Fits[^1].Predicted, "rows that were trained on judge nothing");
        foreach (WatchedFit fit in recipe.Fits.SkipLast(1))
        {
            Assert.IsEmpty(fit.Rows.Intersect(fit.Predicted).ToArray(), "no row judges a fit that has seen it");
            Assert.AreEqual(9, fit.Rows.Length + fit.Predicted.Count);
        }

        CollectionAssert.AreEqual(
            Enumerable.Range(0, 9).ToArray(),
            recipe.Fits.SelectMany(fit => fit.Predicted).Order().ToArray()
        );
        Assert.AreEqual(1, trial.Report!.Accuracy, "each prediction stands with its own row");
    }

    [TestMethod]
    public void Split_TestRows_AreOutsideTheOnlyFit()
    {
        var recipe = new WatchedRecipe();
        Trial trial = Runner(recipe).Split(new TrainTestRows([0, 1, 2, 3, 4, 5], [8, 7, 6]));
        WatchedFit only = recipe.Fits.Single();
        CollectionAssert.AreEqual((int[])[0, 1, 2, 3, 4, 5], only.Rows);
        CollectionAssert.AreEqual((int[])[8, 7, 6], only.Predicted);
        Assert.AreEqual(1, trial.Report!.Accuracy);
    }

    private static TrialRunner Runner(WatchedRecipe recipe)
    {
        string[] classes = ["even", "odd"];
        DataItem[] items = [.. Labels.Select((label, i) => new DataItem($"{i}.png", $"{i}", label))];
        return new TrialRunner(
            recipe,
            new RecipeRows(
                new TrainingImages(items, Labels, new byte[32 * Labels.Length], classes, null),
                new FeatureTable(classes, Labels, new float[Labels.Length], 1),
                [],
                new FeatureSpace("", [], new ImageEncoder(new Preprocessing { Size = 8 }), "", "", "")
            ),
            false,
            null,
            default
        );
    }

    private sealed class WatchedRecipe : IRecipe
    {
        public List<WatchedFit> Fits { get; } = [];

        public bool IsQuick => true;

        public void Check(IReadOnlyList<BackboneTap> taps, int classes) { }

        public IFitted Fit(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
        {
            Fits.Add(new WatchedFit([.. rows], context.Fold));
            return Fits[^1];
        }

        public void Written() { }
    }

    /// <summary>Knows every row's label, and what it was shown.</summary>
    private sealed class WatchedFit(int[] rows, int fold) : IFitted
    {
        public int[] Rows => rows;

        public int Fold => fold;

        public List<int> Predicted { get; } = [];

        public FittedHead Head { get; } =
            new(
                [0],
                new TapGroups(["known"], [1]),
                new HeadSelection("known", new LinearHead(["even", "odd"], 1, [-1, 1], [0, 0]), 1, [], 0),
                []
            );

        public IReadOnlyList<BackboneTap> Taps => [];

        public TuneSummary? Training => null;

        public IEnumerable<string> Notes => [];

        public OnnxModel Network() => throw new NotSupportedException();

        public FeatureTable Features(RecipeRows all, IReadOnlyList<int> asked, FitContext context)
        {
            Predicted.AddRange(asked);
            int[] labels = [.. asked.Select(row => all.Images.Labels[row])];
            return new FeatureTable(Head.Head.ClassNames, labels, [.. labels.Select(label => 2f * label - 1)], 1);
        }

        public string Digest() => "";
    }
}
