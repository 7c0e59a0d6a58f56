using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>An invalid instance cannot be made.</summary>
[TestClass]
public sealed class OptionsTests
{
    [TestMethod]
    public void Options_OutOfRange_AreRefusedByName()
    {
        Refused("TestFraction", () => new() { TestFraction = 0 });
        Refused("TestFraction", () => new() { TestFraction = double.NaN });
        Refused("Folds", () => new() { Folds = 1 });
        Refused("Workers", () => new() { Workers = 0 });
        Refused("L2", () => new() { L2 = -1 });
        Refused("Taps", () => new() { Taps = [] });
        Refused("FeatureColumnName", () => new() { FeatureColumnName = " " });
        Refused("ScoreColumnName", () => new() { ScoreColumnName = "Score.output" });
        Refused("WorkspacePath", () => new() { WorkspacePath = "" });
    }

    [TestMethod]
    public void Trainer_TwoColumnsOfOneName_IsRefused()
    {
        ArgumentException e = Assert.ThrowsExactly<ArgumentException>(() => new TransferImageClassificationTrainer(new TransferImageClassificationOptions { ScoreColumnName = "Features" }));
        StringAssert.Contains(e.Message, "'Features' is the name of 2 of the columns");
    }

    [TestMethod]
    public void Defaults_OfTheBridge_AreThoseOfTheLibrary()
    {
        var library = new TrainOptions { Folder = "column Label", Output = "out" };
        Assert.AreEqual(library, new TransferImageClassificationOptions().ToJob("out") with { Limits = library.Limits });
    }

    [TestMethod]
    public void ToJob_EveryOption_ArrivesThere()
    {
        string[] taps = ["a"];
        TrainOptions job = new TransferImageClassificationOptions
        {
            LabelColumnName = "L",
            Backbone = "b",
            Taps = taps,
            Head = HeadKind.Mlp,
            L2 = 0.5,
            ClassWeights = ClassWeights.Balanced,
            TestFraction = 0.3,
            Folds = 4,
            Seed = 9,
            Workers = 3,
            CacheFolder = "c",
            CacheFeatures = false,
        }.ToJob("out");
        var expected = new TrainOptions
        {
            Folder = "column L",
            Output = "out",
            Backbone = "b",
            Taps = taps,
            Head = HeadKind.Mlp,
            L2 = 0.5,
            ClassWeights = ClassWeights.Balanced,
            TestFraction = 0.3,
            Folds = 4,
            Seed = 9,
            Workers = 3,
            CacheFolder = "c",
            CacheFeatures = false,
            Limits = job.Limits,
        };
        Assert.AreEqual(expected, job);
    }

    private static void Refused(string name, Func<TransferImageClassificationOptions> make)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => make());
        Assert.AreEqual(name, e.ParamName);
    }
}
