using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
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
        // Shapes and single numbers are no weights.
        TensorProto[] expected =
        [
            .. OnnxModel
                .Load(Trained.Model)
                .CutAt(TransferModel.ProbabilitiesOutput)
                .Initializers.Where(i => i.DataType == 1 && i.Dims.Aggregate(1L, (a, b) => a * b) > 1),
        ];
        CollectionAssert.AreEquivalent(expected.Select(i => i.Name).ToArray(), read.Keys.ToArray());
        foreach (TensorProto initializer in expected)
        {
            Tensor found = read[initializer.Name];
            CollectionAssert.AreEqual(initializer.Dims, found.shape, initializer.Name);
            Assert.IsTrue(
                TensorData.ToFloats(initializer).AsSpan().SequenceEqual(found.data<float>().ToArray()),
                initializer.Name
            );
        }

        string saved = Trained.At("same.safetensors");
        Safetensors.SaveStateDict(saved, read);
        CollectionAssert.AreEqual(Trained.Probabilities, Trained.PredictWith(saved));
    }

    /// <summary>Under the names of torch PyBridge loads the file into the class, strictly.</summary>
    [TestMethod]
    public void Weights_UnderTorchsNames_AreLoadedIntoTheClassAndComeHome()
    {
        InTorch.Require();
        string file = Trained.Export(
            "safetensors",
            "torch.safetensors",
            o => o with { WeightNames = WeightNames.Torch }
        );
        using ImageClassifier net = new();
        net.load_safetensors(file, strict: true);
        InTorch.AssertSame(Trained.Probabilities, InTorch.Predict(net, net.call));
        CollectionAssert.AreEqual(Trained.Probabilities, Trained.PredictWith(file));
    }

    /// <summary>A module saved by PyBridge has the names of the class; import knows these too.</summary>
    /// <param name="isPickle">Whether as PyTorch's torch.save writes it.</param>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Module_SavedByPyBridge_ComesHome(bool isPickle)
    {
        InTorch.Require();
        using ImageClassifier net = new();
        net.load(Trained.StateDictionary);
        using (no_grad())
            net.get_parameter("head.bias")!.neg_();
        float[] changed = InTorch.Predict(net, net.call);
        string saved = Trained.At(isPickle ? "trained.pth" : "trained.safetensors");
        if (isPickle)
            net.save_py(saved);
        else
            net.save_safetensors(saved);
        TestContext.WriteLine($"Home: {InTorch.AssertSame(changed, Trained.PredictWith(saved)):g3}");
    }
}
