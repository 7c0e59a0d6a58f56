using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using TorchSharp.PyBridge;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>Oracle: TorchSharp.PyBridge, which reads and writes .safetensors for TorchSharp.</summary>
[TestClass]
public sealed class SafetensorsTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void Weights_ReadByPyBridge_AreTheModelsBitForBitAndComeHome()
    {
        InTorch.Require();
        using IDisposable scope = NewDisposeScope();
        Dictionary<string, Tensor> read = Safetensors.LoadStateDict(Trained.Export("safetensors", "model.safetensors"));
        TensorProto[] expected = [.. OnnxModel.Load(Trained.Model).Initializers];
        CollectionAssert.AreEquivalent(expected.Select(i => i.Name).ToArray(), read.Keys.ToArray());
        foreach (TensorProto initializer in expected)
        {
            Tensor found = read[initializer.Name];
            CollectionAssert.AreEqual(initializer.Dims, found.shape, initializer.Name);
            bool same =
                found.dtype == ScalarType.Float32
                    ? TensorData.ToFloats(initializer).AsSpan().SequenceEqual(found.data<float>().ToArray())
                    : TensorData.ToLongs(initializer).AsSpan().SequenceEqual(found.data<long>().ToArray());
            Assert.IsTrue(same, initializer.Name);
        }

        string saved = Trained.At("same.safetensors");
        Safetensors.SaveStateDict(saved, read);
        CollectionAssert.AreEqual(Trained.Probabilities, Trained.PredictWith(saved));
    }

    /// <summary>A module saved by PyBridge has the names of the class; import knows these too.</summary>
    [TestMethod]
    public void Module_SavedByPyBridge_ComesHome()
    {
        InTorch.Require();
        using ImageClassifier net = new();
        net.load(Trained.StateDictionary);
        using (no_grad())
            net.get_parameter("head.bias")!.neg_();
        float[] changed = InTorch.Predict(net, net.call);
        string saved = Trained.At("trained.safetensors");
        net.save_safetensors(saved);
        TestContext.WriteLine($"Home: {InTorch.AssertSame(changed, Trained.PredictWith(saved)):g3}");
    }
}
