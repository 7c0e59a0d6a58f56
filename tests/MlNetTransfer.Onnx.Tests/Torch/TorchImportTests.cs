using System.Runtime.InteropServices;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Weights;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>What was exported and trained in PyTorch comes home: ONNX Runtime then gives PyTorch's numbers.</summary>
[TestClass]
public sealed class TorchImportTests
{
    /// <summary>
    /// Trains the archive for two steps and saves it in each way that PyTorch has, and as .dat and .safetensors by
    /// their descriptions.
    /// </summary>
    private const string Train = """
        import sys, json, struct, torch
        torch.manual_seed(3)
        folder = sys.argv[1]
        net = torch.jit.load(folder + "/tiny.pt").train()
        optimiser = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(2):
            optimiser.zero_grad(); torch.nn.functional.cross_entropy(net(torch.randn(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0])).backward(); optimiser.step()
        net.eval()
        state = net.state_dict()
        torch.save(state, folder + "/state.pt")
        torch.save({"epoch": 2, "state_dict": state, "optimiser": optimiser.state_dict()}, folder + "/checkpoint.pt")
        torch.save({n: torch.nn.Parameter(v) if v.is_floating_point() else v for n, v in state.items()}, folder + "/parameters.pt")
        torch.save({n: v.t().contiguous().t() if v.dim() == 2 else v for n, v in state.items()}, folder + "/strided.pt")
        torch.save({n: v.double() if v.is_floating_point() else v for n, v in state.items()}, folder + "/double.pt")
        net.save(folder + "/script.pt")
        torch.save(state, folder + "/legacy.pt", _use_new_zipfile_serialization=False)
        def leb(n):
            out = b""
            while n > 127: out += bytes([n & 127 | 128]); n >>= 7
            return out + bytes([n])
        with open(folder + "/state.dat", "wb") as file:
            file.write(leb(len(state)))
            for n, v in state.items():
                file.write(leb(len(n)) + n.encode() + leb(6 if v.is_floating_point() else 4) + leb(v.dim()) + b"".join(leb(s) for s in v.shape) + v.numpy().tobytes())
        header, offset, parts = {}, 0, []
        for n, v in state.items():
            raw = v.numpy().tobytes(); parts.append(raw)
            header[n] = dict(dtype="F32" if v.is_floating_point() else "I64", shape=list(v.shape), data_offsets=[offset, offset + len(raw)]); offset += len(raw)
        text = json.dumps(header).encode()
        with open(folder + "/state.safetensors", "wb") as file: file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
        x = torch.randn(5, 3, 8, 8)
        x.numpy().tofile(folder + "/x"); net(x).detach().numpy().tofile(folder + "/y")
        """;

    private static readonly Lazy<TempFolder> Trained = new(() =>
    {
        Python.Require("torch");
        TempFolder folder = new();
        TorchScript.Write(Tiny(), folder.File("tiny.pt"));
        Python.Run(Train, folder.Path);
        return folder;
    });

    [ClassCleanup]
    public static void Remove()
    {
        if (Trained.IsValueCreated)
            Trained.Value.Dispose();
    }

    /// <summary>
    /// Names of Keras and of our heads; a transposed matrix, and batch norm statistics that training changes.
    /// </summary>
    internal static OnnxModel Tiny()
    {
        float[] some = [.. Enumerable.Range(0, 400).Select(i => (float)Math.Sin(i * 2.3))];
        return new GraphBuilder("tiny")
            .Input("image", ["N", 3, 8, 8])
            .Initializer("net/conv/kernel", some.AsSpan(0, 108), 4, 3, 3, 3)
            .Initializer("net/bn/gamma", [1f, 1, 1, 1], 4)
            .Initializer("net/bn/beta", [0f, 0, 0, 0], 4)
            .Initializer("net/bn/moving_mean", [0f, 0, 0, 0], 4)
            .Initializer("net/bn/moving_variance", [1f, 1, 1, 1], 4)
            .Node("Conv", ["image", "net/conv/kernel"], ["c"])
            .Node(
                "BatchNormalization",
                ["c", "net/bn/gamma", "net/bn/beta", "net/bn/moving_mean", "net/bn/moving_variance"],
                ["b"]
            )
            .Node("Relu", ["b"], ["r"])
            .Node("GlobalAveragePool", ["r"], ["p"])
            .Node("Flatten", ["p"], ["f"])
            .Initializer("net/dense/kernel", some.AsSpan(200, 24), 4, 6)
            .Node("MatMul", ["f", "net/dense/kernel"], ["h"])
            .Initializer("head.weight", some.AsSpan(300, 18), 3, 6)
            .Initializer("head.bias", [0f, 0, 0], 3)
            .Node("Gemm", ["h", "head.weight", "head.bias"], ["logits"], Attributes.Of("transB", 1))
            .Output("logits", ["N", 3])
            .Build();
    }

    /// <summary>Two libraries sum in other orders: a few times 2⁻²⁴ of values near 1.</summary>
    [TestMethod]
    [DataRow("state.pt")]
    [DataRow("checkpoint.pt")]
    [DataRow("parameters.pt")]
    [DataRow("strided.pt")]
    [DataRow("double.pt")]
    [DataRow("script.pt")]
    [DataRow("state.dat")]
    [DataRow("state.safetensors")]
    public void WithWeights_TrainedInPyTorch_PredictsAsPyTorch(string file)
    {
        OnnxModel home = Tiny().WithWeights(TorchWeights.Read(Trained.Value.File(file)));
        float[] x = Floats("x"),
            expected = Floats("y"),
            before = Ort.Run(Tiny(), ("image", x, [5, 3, 8, 8]))["logits"],
            found = Ort.Run(home, ("image", x, [5, 3, 8, 8]))["logits"];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5, $"logit {i}");
        Assert.IsGreaterThan(
            1e-2f,
            expected.Zip(before, (a, b) => Math.Abs(a - b)).Max(),
            "training changed the predictions"
        );
        CollectionAssert.AreEqual(
            Tiny().Initializers.Select(i => i.Name).ToArray(),
            home.Initializers.Select(i => i.Name).ToArray()
        );
    }

    [TestMethod]
    public void WithWeights_OwnInitializerNames_InTheirOwnShapes()
    {
        Dictionary<string, SafeTensor> weights = Tiny()
            .Initializers.ToDictionary(
                i => i.Name,
                i => SafeTensor.Of([.. TensorData.ToFloats(i).Select(v => v * 2)], [.. i.Dims])
            );
        OnnxModel doubled = Tiny().WithWeights(new NamedTensors("memory", weights));
        foreach ((TensorProto was, TensorProto now) in Tiny().Initializers.Zip(doubled.Initializers))
            CollectionAssert.AreEqual(
                TensorData.ToFloats(was).Select(v => v * 2).ToArray(),
                TensorData.ToFloats(now),
                was.Name
            );
    }

    [TestMethod]
    public void WithWeights_OfAnotherModel_ListsTheDifferences()
    {
        Dictionary<string, SafeTensor> weights = new()
        {
            ["conv.weight"] = SafeTensor.Of(new float[108], 4, 3, 3, 3),
            ["head.weight"] = SafeTensor.Of(new float[6], 1, 6),
            ["tail.weight"] = SafeTensor.Of(new float[1], 1),
        };
        NamedTensors given = new("'other.pt'", weights);
        WeightsMismatch mismatch = Tiny().CompareWeights(given);
        CollectionAssert.AreEquivalent(
            new[]
            {
                "bn.weight [4]",
                "bn.bias [4]",
                "bn.running_mean [4]",
                "bn.running_var [4]",
                "dense.weight [6, 4]",
                "head.bias [3]",
            },
            mismatch.Missing.ToArray()
        );
        CollectionAssert.AreEqual(new[] { "tail.weight [1]" }, mismatch.Unknown.ToArray());
        CollectionAssert.AreEqual(new[] { "head.weight [1, 6] instead of [3, 6]" }, mismatch.Different.ToArray());
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => Tiny().WithWeights(given)).Message,
            "head.weight [1, 6] instead of [3, 6]"
        );
    }

    [TestMethod]
    public void Read_LegacyFile_SaysWhatToDo() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => TorchWeights.Read(Trained.Value.File("legacy.pt"))).Message,
            "before 1.6"
        );

    private static float[] Floats(string file) =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Trained.Value.File(file))).ToArray();
}
