using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// The class that an export writes, compiled into these tests, and its state dictionary. Oracle: TorchSharp.
/// </summary>
[TestClass]
public sealed class TorchSharpClassTests
{
    public TestContext TestContext { get; set; } = null!;

    /// <summary>
    /// ImageClassifier.g.cs is what the export writes. Where that changes for the better, it is replaced by hand.
    /// </summary>
    [TestMethod]
    public void Class_OfTheExport_IsTheOneCompiledHere()
    {
        string written = Path.ChangeExtension(Trained.StateDictionary, ".cs");
        string compiled = Repository.At("tests/MlNetTransfer.TorchSharp.Tests/ImageClassifier.g.cs");
        Assert.AreEqual(File.ReadAllText(compiled).ReplaceLineEndings("\n"), File.ReadAllText(written));
    }

    [TestMethod]
    public void Class_LoadedTrainedAndSavedInTorchSharp_AgreesThereAndAtHome()
    {
        InTorch.Require();
        using ImageClassifier net = new();
        net.load(Trained.StateDictionary);
        TestContext.WriteLine($"There: {InTorch.AssertSame(Trained.Probabilities, InTorch.Predict(net, net.call)):g3}");

        double[] losses = InTorch.Train(net, net.call, batchStatistics: false);
        TestContext.WriteLine($"Losses: {string.Join(", ", losses)}");
        Assert.IsLessThan(losses[0], losses[^1]);

        float[] trained = InTorch.Predict(net, net.call);
        string saved = Trained.At("trained.dat");
        net.save(saved);
        TestContext.WriteLine($"Home: {InTorch.AssertSame(trained, Trained.PredictWith(saved)):g3}");
        float change = trained.Zip(Trained.Probabilities, (a, b) => Math.Abs(a - b)).Max();
        Assert.IsGreaterThan(1e-3, change, "training changed it");
    }
}
