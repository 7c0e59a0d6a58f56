using System.Reflection;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

[TestClass]
public sealed class TrainRulesTests
{
    private static readonly TrainOptions Plain = new() { Folder = "x", Output = "y" };

    /// <summary>
    /// Every option of fine-tuning but InitialWeights, which heads start from too, with a value that is not its
    /// default.
    /// </summary>
    private static readonly Dictionary<string, FineTuneOptions> Others = new()
    {
        ["Freeze"] = new() { Freeze = FreezeBoundary.OfBlocks(1) },
        ["Parameters"] = new() { Parameters = TrainedParameters.Affine },
        ["Epochs"] = new() { Epochs = 3 },
        ["LearningRate"] = new() { LearningRate = 1e-3 },
        ["HeadRate"] = new() { HeadRate = 1 },
        ["BlockDecay"] = new() { BlockDecay = 0.5 },
        ["BatchSize"] = new() { BatchSize = 8 },
        ["MicroBatch"] = new() { MicroBatch = 4 },
        ["Optimizer"] = new() { Optimizer = OptimizerKind.Sgd },
        ["Schedule"] = new() { Schedule = ScheduleKind.Constant },
        ["WarmUp"] = new() { WarmUp = 0.2 },
        ["WeightDecay"] = new() { WeightDecay = 0.1 },
        ["StartingPointDecay"] = new() { StartingPointDecay = 0.1 },
        ["LabelSmoothing"] = new() { LabelSmoothing = 0 },
        ["Dropout"] = new() { Dropout = 0.1 },
        ["ClipNorm"] = new() { ClipNorm = 1 },
        ["AverageDecay"] = new() { AverageDecay = 0.9 },
        ["GradualUnfreezing"] = new() { GradualUnfreezing = true },
        ["BatchStatistics"] = new() { BatchStatistics = true },
        ["ValidationFraction"] = new() { ValidationFraction = 0.3 },
        ["Refit"] = new() { Refit = false },
        ["Blend"] = new() { Blend = false },
        ["Patience"] = new() { Patience = 2 },
        ["Augmentation"] = new() { Augmentation = AugmentationPreset.None },
        ["Draws"] = new() { Draws = 2 },
        ["CacheBytes"] = new() { CacheBytes = 0 },
        ["TimeBudget"] = new() { TimeBudget = TimeSpan.FromMinutes(1) },
        ["Engine"] = new() { Engine = "torchsharp" },
        ["Threads"] = new() { Threads = 1 },
    };

    [TestMethod]
    public void Violation_OptionsOfImagesWithTexts_HaveNoEffect()
    {
        TrainOptions texts = Plain with
        {
            Dataset = new DatasetOptions { TextColumn = "text" },
            Strategy = TrainingStrategy.Full,
        };
        Assert.IsNull(TrainRules.Violation(texts, ["--text-column", "--strategy"]));
        Assert.IsNull(
            TrainRules.Violation(
                texts with
                {
                    FineTune = new FineTuneOptions { Augmentation = AugmentationPreset.None },
                },
                ["--augment"]
            )
        );
        (TrainOptions Options, string[] Given, string Named)[] wrong =
        [
            (
                texts with
                {
                    Dataset = texts.Dataset with { PathColumn = "p" },
                },
                [],
                "Dataset.PathColumn (--path-column)"
            ),
            (texts with { Limits = new ImageLimits { MaxPixels = 5_000_000 } }, [], "Limits (--max-megapixels)"),
            (texts with { FineTune = Others["Draws"] }, [], "FineTune.Draws"),
            (
                texts with
                {
                    FineTune = new FineTuneOptions { Augmentation = AugmentationPreset.Light },
                },
                [],
                "FineTune.Augmentation (--augment)"
            ),
            (texts, ["--augment"], "--augment"),
        ];
        foreach ((TrainOptions options, string[] given, string named) in wrong)
        {
            string? said = TrainRules.Violation(options, given.Length > 0 ? given : null);
            StringAssert.StartsWith(said, named);
            StringAssert.Contains(said, "images, not a column of texts");
        }
    }

    [TestMethod]
    public void Violation_Unlabelled_IsForAHeadThatTakesThem()
    {
        TrainOptions others = Plain with { Unlabelled = "others" };
        Assert.IsNull(TrainRules.Violation(others, ["--unlabelled"]));
        Assert.IsNull(TrainRules.Violation(others with { Head = HeadKind.Kernel }, ["--unlabelled", "--head"]));
        foreach (
            TrainOptions options in (TrainOptions[])
                [
                    others with
                    {
                        Strategy = TrainingStrategy.Full,
                    },
                    others with
                    {
                        Strategy = TrainingStrategy.Auto,
                    },
                    others with
                    {
                        Head = HeadKind.Softmax,
                    },
                    others with
                    {
                        Thresholds = ClassThresholds.MacroF1,
                    },
                ]
        )
            StringAssert.StartsWith(
                TrainRules.Violation(options),
                "Unlabelled (--unlabelled) has no effect here: it needs --strategy head"
            );
        TrainOptions way = Plain with { PseudoLabels = PseudoLabelMethod.Confidence };
        StringAssert.StartsWith(TrainRules.Violation(way), "PseudoLabels (--pseudo-labels) has no effect here");
        Assert.IsNull(TrainRules.Violation(way with { Unlabelled = "others" }));
        StringAssert.StartsWith(TrainRules.Violation(Plain, ["--pseudo-labels"]), "--pseudo-labels has no effect here");
    }

    [TestMethod]
    public void Violation_TestTimeAugmentation_IsForAHeadOnFeaturesOfImages()
    {
        TrainOptions flip = Plain with { TestTimeAugmentation = TestTimeAugmentation.Flip };
        Assert.IsNull(TrainRules.Violation(flip, ["--tta"]));
        foreach (TrainingStrategy strategy in TrainingStrategy.All.Where(s => s.Network is not null))
        {
            string? said = TrainRules.Violation(flip with { Strategy = strategy });
            StringAssert.StartsWith(said, "TestTimeAugmentation (--tta) has no effect here");
            StringAssert.Contains(said, "--strategy head");
            Assert.IsNull(TrainRules.Violation(Plain with { Strategy = strategy }, ["--tta"]), "--tta none");
        }

        string? texts = TrainRules.Violation(
            flip with
            {
                Dataset = new DatasetOptions { TextColumn = "text" },
            },
            ["--tta", "--text-column"]
        );
        StringAssert.StartsWith(texts, "--tta has no effect here");
        StringAssert.Contains(texts, "images, not a column of texts");
    }

    [TestMethod]
    public void Violation_EveryOptionOfFineTuning_NeedsAStrategyThatTunes()
    {
        string[] properties =
        [
            .. typeof(FineTuneOptions)
                .GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Select(p => p.Name)
                .Where(n => n != nameof(FineTuneOptions.InitialWeights)),
        ];
        CollectionAssert.AreEquivalent(
            properties,
            Others.Keys,
            "An option was added: say here and in TrainRules when it has an effect."
        );
        foreach ((string name, FineTuneOptions options) in Others)
        {
            StringAssert.StartsWith(TrainRules.Violation(Plain with { FineTune = options }), $"FineTune.{name}");
            Assert.IsNull(
                TrainRules.Violation(Plain with { FineTune = options, Strategy = TrainingStrategy.Full }),
                name
            );
        }
    }

    [TestMethod]
    public void Violation_Defaults_HasNone()
    {
        Assert.IsNull(TrainRules.Violation(Plain));
        Assert.IsNull(
            TrainRules.Violation(Plain, ["--class-weights", "--head", "--output"]),
            "none and auto ask for nothing"
        );
        Assert.IsNull(
            TrainRules.Violation(Plain with { FineTune = new() { InitialWeights = "w" } }),
            "heads start from given weights too"
        );
    }

    [TestMethod]
    public void Violation_OptionsOfTheChoiceOfBackbones_NeedIt()
    {
        TrainOptions auto = Plain with { Backbone = "auto" };
        Assert.IsNotNull(TrainRules.Violation(Plain with { Backbones = ["a"] }));
        Assert.IsNull(TrainRules.Violation(auto with { Backbones = ["a"] }));
        StringAssert.Contains(TrainRules.Violation(Plain with { MaxMilliseconds = 5 }), "--backbone auto");
        Assert.IsNull(TrainRules.Violation(auto with { MaxMilliseconds = 5 }));
        StringAssert.Contains(TrainRules.Violation(auto with { Taps = ["a"] }), "taps are chosen with it");
        Assert.IsNull(TrainRules.Violation(Plain with { Backbone = "a,b", Taps = ["a/x"] }));
    }

    [TestMethod]
    public void Violation_DefaultThatWasGiven_IsNamedToo() =>
        StringAssert.StartsWith(TrainRules.Violation(Plain, ["--batch"]), "--batch has no effect");

    [TestMethod]
    public void Violation_OptionsOfASoftmaxHead_NeedOne()
    {
        Assert.IsNotNull(TrainRules.Violation(Plain with { L2 = 1 }));
        Assert.IsNull(TrainRules.Violation(Plain with { L2 = 1, Head = HeadKind.Softmax }));
        TrainOptions tuned = Plain with { Strategy = TrainingStrategy.FineTune, ClassWeights = ClassWeights.Balanced };
        Assert.IsNull(TrainRules.Violation(tuned with { Head = HeadKind.Ridge }), "the network is trained with them");
    }

    [TestMethod]
    public void Run_OptionWithoutEffect_IsRefusedBeforeWork()
    {
        TrainOptions options = Plain with { Resume = true, Folder = "/there/is/no/such/folder" };
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new TrainJob(options).Run()).Message,
            "Resume"
        );
    }
}
