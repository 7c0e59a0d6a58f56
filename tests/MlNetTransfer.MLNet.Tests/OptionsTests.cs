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
        TrainOptions ours = new TransferImageClassificationOptions().ToJobForTests("out") with { Folder = "x" }, library = new() { Folder = "x", Output = "out" };
        Assert.AreEqual(library, ours);
    }

    private static void Refused(string name, Func<TransferImageClassificationOptions> make)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => make());
        Assert.AreEqual(name, e.ParamName);
    }
}
