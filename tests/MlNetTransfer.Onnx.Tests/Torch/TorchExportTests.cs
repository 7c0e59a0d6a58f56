using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>Oracle: the PyTorch modules that the ONNX files came from.</summary>
[TestClass]
public sealed class TorchExportTests
{
    private const string Compare = """
        import sys, json, torch
        torch.set_num_threads(2)
        torch.manual_seed(2)
        folder, name, kind = sys.argv[1:]
        x, t = torch.randn(3, 3, 64, 64), torch.tensor([1, 2, 3])
        oracle, net = torch.load(f"{folder}/{name}.module"), torch.jit.load(f"{folder}/{name}.{kind}.pt")
        with torch.no_grad(): result = dict(output=(oracle(x) - net(x)).abs().max().item(), single=(oracle(x[:1]) - net(x[:1])).abs().max().item())
        result["parameters"] = len(list(net.parameters()))
        if kind == "trainable":
            missing = set(oracle.state_dict()) ^ set(net.state_dict())
            assert not missing, missing
            oracle.train(); net.train()
            losses, gradients = [], []
            for m in (oracle, net):
                loss = torch.nn.functional.cross_entropy(m(x), t); loss.backward()
                losses.append(loss.item()); gradients.append({n: p.grad for n, p in m.named_parameters()})
            result["loss"] = abs(losses[0] - losses[1])
            result["gradient"] = max(((gradients[0][n] - gradients[1][n]).norm() / (gradients[0][n].norm() + 1e-12)).item() for n in gradients[0])
            state = net.state_dict()
            result["statistics"] = max((v.double() - state[n].double()).abs().max().item() for n, v in oracle.state_dict().items())
            net.eval(); oracle.eval()
            with torch.no_grad(): result["after"] = (oracle(x) - net(x)).abs().max().item()
        print(json.dumps(result))
        """;

    private const string CompareDat =
        """
            import sys, json, torch
            """
        + "\n"
        + TorchFolder.DatReader
        + """
            folder, name = sys.argv[1:]
            oracle, found = torch.load(f"{folder}/{name}.module").state_dict(), dat(f"{folder}/{name}Dat.dat")
            assert list(sorted(oracle)) == list(sorted(found)), set(oracle) ^ set(found)
            for n, v in oracle.items(): assert v.dtype == found[n].dtype and v.shape == found[n].shape and torch.equal(v, found[n]), n
            print(json.dumps(dict(tensors=len(found))))
            """;

    public TestContext TestContext { get; set; } = null!;

    [ClassCleanup]
    public static void Remove() => TorchFolder.Remove();

    /// <summary>
    /// The same operators of the same library on the same machine; folded batch norms are summed in another order: 1e-5
    /// of outputs near 1.
    /// </summary>
    [TestMethod]
    [DataRow("resnet18", "trainable", 62)]
    [DataRow("mobilenet_v2", "trainable", 158)]
    [DataRow("resnet18", "folded", 42)]
    [DataRow("mobilenet_v2", "folded", 106)]
    public void TorchScript_Network_GivesPyTorchsOutputsLossAndGradients(string name, string kind, int parameters)
    {
        OnnxModel model = TorchFolder.Model($"{name}.{kind}");
        TorchScript.Write(model, TorchFolder.File($"{name}.{kind}.pt"));
        Dictionary<string, double> found = TorchFolder.Numbers(Compare, TorchFolder.Path, name, kind);
        TestContext.WriteLine(string.Join(", ", found.Select(f => $"{f.Key} {TorchFolder.Text(f.Value)}")));
        Assert.AreEqual(parameters, found["parameters"]);
        foreach ((string what, double difference) in found.Where(f => f.Key != "parameters"))
            Assert.IsLessThan(1e-5, difference, what);
    }

    [TestMethod]
    public void TorchScript_Twice_SameBytes()
    {
        OnnxModel model = TorchFolder.Model("mobilenet_v2.folded");
        using MemoryStream first = new(),
            second = new();
        TorchScript.Write(model, first);
        TorchScript.Write(OnnxModel.Parse(model.ToBytes()), second);
        CollectionAssert.AreEqual(first.ToArray(), second.ToArray());
    }

    /// <summary>Oracle: a reader of the format in Python, and the module's own state, bit for bit.</summary>
    [TestMethod]
    [DataRow("resnet18", 122)]
    [DataRow("mobilenet_v2", 314)]
    public void TorchSharp_StateDictionary_IsPyTorchsBitForBit(string name, int tensors)
    {
        using (FileStream stream = File.Create(TorchFolder.File($"{name}Dat.dat")))
            TorchSharpExport.WriteState(TorchFolder.Model($"{name}.trainable"), stream);
        Assert.AreEqual(tensors, TorchFolder.Numbers(CompareDat, TorchFolder.Path, name)["tensors"]);
    }

    /// <summary>
    /// The whole listing stands in ResNet18.cs.txt, to be judged by eye. Where it changes for the better, read it anew
    /// before it is replaced.
    /// </summary>
    [TestMethod]
    public void TorchSharp_ResNet_IsTheListingThatWasRead()
    {
        string code = TorchSharpExport.Code(
            TorchFolder.Model("resnet18.trainable"),
            "ResNet18",
            new TorchExportOptions { Namespace = "Acme.Vision" }
        );
        Assert.AreEqual(
            File.ReadAllText(Repository.At("tests/MlNetTransfer.Onnx.Tests/Torch/ResNet18.cs.txt"))
                .ReplaceLineEndings("\n"),
            code
        );
    }

    /// <summary>
    /// The addition of a block stands in the block, so that its numbered layers stay a Sequential and are not kept as
    /// delegates.
    /// </summary>
    [TestMethod]
    public void TorchSharp_MobileNet_KeepsItsSequentials()
    {
        string code = TorchSharpExport.Code(TorchFolder.Model("mobilenet_v2.trainable"), "MobileNetV2");
        StringAssert.Contains(code, "var x = conv.call(input);\n            return input + x;");
        Assert.DoesNotContain("Func<", code);
        Assert.DoesNotContain("using System;", code);
    }

    [TestMethod]
    public void TorchSharp_ResNet_ReadsLikeOneWrittenByHand()
    {
        string code = TorchSharpExport.Code(
            TorchFolder.Model("resnet18.trainable"),
            "ResNet18",
            new TorchExportOptions { Namespace = "Acme.Vision" }
        );
        string[] expected =
        [
            "namespace Acme.Vision;",
            "public sealed class ResNet18 : nn.Module<Tensor, Tensor>",
            "conv1 = nn.Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false);",
            "(\"0\", new LayerBlockWithDownsample(256, 512)),",
            "var x = bn1.call(conv1.call(input)).relu();",
            "x = nn.functional.max_pool2d(x, [3, 3], [2, 2], [1, 1]);",
            "x = layer4.call(x);",
            "public LayerBlock(long channels) : base(nameof(LayerBlock))",
            "return (x + input).relu();",
        ];
        foreach (string line in expected)
            StringAssert.Contains(code, line);
        Assert.AreEqual(3, code.Split(" sealed class ").Length - 1, "the model and two kinds of blocks");
        Assert.IsFalse(code.Any(c => c < ' ' && c != '\n'), "no placeholder is left");
    }

    /// <summary>
    /// Concatenations that go on from each other belong to the layers that they end, so that the block is a chain of
    /// them; the last pool to neither.
    /// </summary>
    [TestMethod]
    public void TorchSharp_DenseBlock_IsAChainOfLayers()
    {
        GraphBuilder graph = new GraphBuilder().Input("x", ["N", 2, 4, 4]);
        foreach (
            (string name, int inputs) in new[]
            {
                ("stem", 2),
                ("dense.layer1.conv", 2),
                ("dense.layer2.conv", 4),
                ("last", 6),
            }
        )
            graph.Initializer(name + ".weight", new float[2 * inputs], 2, inputs, 1, 1);
        OnnxModel model = graph
            .Node("Conv", ["x", "stem.weight"], ["s"])
            .Node("Conv", ["s", "dense.layer1.conv.weight"], ["a"])
            .Node("Concat", ["s", "a"], ["sa"], Attributes.Of("axis", 1))
            .Node("Conv", ["sa", "dense.layer2.conv.weight"], ["b"])
            .Node("Concat", ["s", "a", "b"], ["sab"], Attributes.Of("axis", 1))
            .Node("GlobalAveragePool", ["sab"], ["p"])
            .Node("Conv", ["p", "last.weight"], ["y"])
            .Output("y", ["N", 2, 1, 1])
            .Build();
        string code = TorchSharpExport.Code(model, "Net");
        StringAssert.Contains(code, "return torch.cat([input, conv.call(input)], 1);");
        StringAssert.Contains(code, "var x = layer1.call(input);\n            return layer2.call(x);");
        StringAssert.Contains(
            code,
            "var x = stem.call(input);\n        x = dense.call(x);\n        x = "
                + "nn.functional.adaptive_avg_pool2d(x, [1, 1]);"
        );
        StringAssert.Contains(code, "public Layer(long inChannels) : base(nameof(Layer))");
    }

    [TestMethod]
    [DataRow("layer_norm_in_parts", "nn.LayerNorm(6, eps: 0.01)")]
    [DataRow("gelu_in_parts", "input.gelu()")]
    [DataRow("silu", "input.silu()")]
    [DataRow("conv_added_bias", "nn.Conv2d(3, 4, (2, 3))")]
    [DataRow("matmul_add", "nn.Linear(6, 3)")]
    public void TorchSharp_WhatExportersTakeApart_IsOneAgain(string name, string expected) =>
        StringAssert.Contains(
            TorchSharpExport.Code(OperatorCases.All.Single(c => c.Name == name).Model, "Net"),
            expected
        );

    [TestMethod]
    public void Write_OperatorWithoutCounterpart_NamesItAndWritesNothing()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 4])
            .Node("Relu", ["x"], ["a"])
            .Node("Hardmax", ["a"], ["y"])
            .Output("y", ["N", 4])
            .Build();
        using TempFolder folder = new();
        GraphException refusal = Assert.ThrowsExactly<GraphException>(() =>
            TorchScript.Write(model, folder.File("m.pt"))
        );
        StringAssert.Contains(refusal.Message, "Hardmax node 'y'");
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => TorchSharpExport.Write(model, folder.Path, "M")).Message,
            "Hardmax"
        );
        Assert.IsEmpty(Directory.GetFiles(folder.Path));
    }
}
