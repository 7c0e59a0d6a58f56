using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>
/// A network as PyTorch exports it, with a "head" of its own, where fresh normalisations are stored once, and weights of PyTorch that go into it
/// by the names of its modules. Oracle: PyTorch's export of the module with these weights.
/// </summary>
[TestClass]
public sealed class TorchWeightsTests
{
    private const string Export = """
        import sys, warnings, torch
        from torch import nn
        warnings.simplefilter("ignore")
        class Block(nn.Module):
            def __init__(self, i, o):
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o)
                self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
                self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, 2, bias=False), nn.BatchNorm2d(o))
            def forward(self, x):
                return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + self.downsample(x))
        class Net(nn.Module):
            def __init__(self, classes):
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
                self.layer1, self.head = nn.Sequential(Block(8, 8)), nn.Sequential(Block(8, 16))
                self.fc = nn.Linear(16, classes)
            def forward(self, x):
                return self.fc(self.head(self.layer1(torch.relu(self.bn1(self.conv1(x))))).mean((2, 3)))
        def save(net, name):
            torch.onnx.export(net.eval(), torch.zeros(2, 3, 16, 16), f"{sys.argv[1]}/{name}.onnx", input_names=["x"], output_names=["y"],
                dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, opset_version=13)
        torch.manual_seed(1)
        fresh = Net(5)
        save(fresh, "fresh")
        trained = Net(5)
        for value in trained.state_dict().values():
            if value.is_floating_point():
                value.mul_(1 + 0.2 * torch.rand_like(value)).add_(0.05 * torch.rand_like(value))
        torch.save(trained.state_dict(), f"{sys.argv[1]}/trained.pth")
        torch.save({k: v for k, v in trained.state_dict().items() if not k.startswith("head.0.bn2")}, f"{sys.argv[1]}/part.pth")
        other = Net(7)
        other.load_state_dict({**trained.state_dict(), "fc.weight": torch.ones(7, 16), "fc.bias": torch.ones(7)})
        torch.save(other.state_dict(), f"{sys.argv[1]}/classes.pth")
        save(trained, "trained")
        """;

    private static readonly Lazy<TempFolder> Exported = new(() =>
    {
        Python.Require("torch");
        TempFolder folder = new();
        Python.Run(Export, folder.Path);
        return folder;
    });

    [ClassCleanup]
    public static void Remove()
    {
        if (Exported.IsValueCreated)
            Exported.Value.Dispose();
    }

    [TestMethod]
    public void Add_WeightsOfPyTorch_AreTheBackbones()
    {
        using TempFolder folder = new();
        UserCatalog users = new(folder.File("home"));
        NewBackbone asked = new()
        {
            Source = Exported.Value.File("fresh.onnx"),
            Id = "mine",
            Weights = Exported.Value.File("trained.pth"),
            Inspection = TinyOnnx.Unit,
        };
        BackboneCard card = users.Add(asked).Card;
        StringAssert.Contains(card.Provenance, "with the weights of trained.pth, SHA-256 ");
        OnnxModel added = OnnxModel.Load(folder.File("home/mine/model.onnx"));
        float[] x = [.. Enumerable.Range(0, 768).Select(i => (float)Math.Sin(i * 0.7))];
        float[] expected = Ort.Run(OnnxModel.Load(Exported.Value.File("trained.onnx")), ("x", x, [1, 3, 16, 16]))["y"],
            found = Ort.Run(added, (added.Inputs[0].Name, x, [1, 3, 16, 16]))[added.Outputs[0].Name];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5);

        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            users.Add(asked with { Id = "part", Weights = Exported.Value.File("part.pth") })
        );
        StringAssert.Contains(error.Message, "missing: head.0.bn2.weight [16]");
        StringAssert.Contains(error.Message, "do_constant_folding=False");
        Assert.IsFalse(Directory.Exists(folder.File("home/part")));
    }

    /// <summary>What lies above the taps may be of another number of classes.</summary>
    [TestMethod]
    [DataRow("trained.pth")]
    [DataRow("classes.pth")]
    [DataRow("trained.onnx")]
    public void Run_InitialWeightsOfPyTorch_AreStartedFrom(string file)
    {
        using TuneTask task = new(network: OnnxModel.Load(Exported.Value.File("fresh.onnx")));
        task.Run(
            task.Options("out", TrainingStrategy.Head) with
            {
                FineTune = new FineTuneOptions { InitialWeights = Exported.Value.File(file) },
            }
        );
        Dictionary<string, float[]> trained = OnnxModel
            .Load(Exported.Value.File("trained.onnx"))
            .Initializers.Where(i => i.DataType == 1)
            .ToDictionary(i => i.Name, TensorData.ToFloats);
        Dictionary<string, float[]> found = task.Weights("out");
        string[] shared = [.. trained.Keys.Where(found.ContainsKey)];
        Assert.IsGreaterThan(20, shared.Length);
        foreach (string name in shared)
            CollectionAssert.AreEqual(trained[name], found[name], name);
    }

    [TestMethod]
    public void Run_InitialWeightsWithoutALayer_AreRefused()
    {
        using TuneTask task = new(network: OnnxModel.Load(Exported.Value.File("fresh.onnx")));
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            task.Run(
                task.Options("out", TrainingStrategy.Head) with
                {
                    FineTune = new FineTuneOptions { InitialWeights = Exported.Value.File("part.pth") },
                }
            )
        );
        StringAssert.Contains(error.Message, "head.0.bn2.weight");
    }

    /// <summary>PyTorch stores the equal scales of fresh normalisations once; none is left out of training.</summary>
    [TestMethod]
    public void Run_NormalisationsStoredOnce_AreTrainedApart()
    {
        OnnxModel fresh = OnnxModel.Load(Exported.Value.File("fresh.onnx"));
        Assert.IsTrue(fresh.Nodes.Any(n => n.OpType == "Identity"), "what this test is about");
        using TuneTask task = new(network: fresh);
        task.Run(task.Options("out", TrainingStrategy.Scratch, o => o with { LearningRate = 0.02, Epochs = 8 }));
        OnnxModel trained = OnnxModel.Load(task.File("out/model.onnx"));
        Dictionary<string, float[]> weights = task.Weights("out");
        float[][] scales =
        [
            .. trained.Nodes.Where(n => n.OpType == "BatchNormalization").Select(n => weights[n.Input[1]]),
        ];
        Assert.HasCount(7, scales);
        foreach (float[] scale in scales)
            Assert.IsTrue(scale.Any(v => v != 1), "trained");
        Assert.HasCount(7, scales.Select(s => string.Join(' ', s)).Distinct().ToArray(), "apart");
    }
}
