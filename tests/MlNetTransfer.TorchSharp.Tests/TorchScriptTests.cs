using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>Oracle: libtorch itself, by TorchSharp's <c>torch.jit</c>.</summary>
[TestClass]
public sealed class TorchScriptTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Archive_LoadedTrainedAndSavedInTorchSharp_AgreesThereAndAtHome()
    {
        InTorch.Require();
        string archive = Trained.Export("torchscript", "model.pt");
        using jit.ScriptModule<Tensor, Tensor> net = jit.load<Tensor, Tensor>(archive);
        TestContext.WriteLine($"There: {InTorch.AssertSame(Trained.Probabilities, InTorch.Predict(net, net.call)):g3}");

        // With statistics of the batch, so that running statistics come home too.
        double[] losses = InTorch.Train(net, net.call, batchStatistics: true);
        TestContext.WriteLine($"Losses: {string.Join(", ", losses)}");
        Assert.IsLessThan(losses[0], losses[^1]);

        float[] trained = InTorch.Predict(net, net.call);
        string saved = Trained.At("trained.pt");
        jit.save(net, saved);
        TestContext.WriteLine($"Home: {InTorch.AssertSame(trained, Trained.PredictWith(saved)):g3}");
        float change = trained.Zip(Trained.Probabilities, (a, b) => Math.Abs(a - b)).Max();
        Assert.IsGreaterThan(1e-3, change, "training changed it");
    }
}
