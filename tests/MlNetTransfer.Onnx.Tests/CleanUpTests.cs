using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Oracle: the bits that ONNX Runtime gives for the model as it was.</summary>
[TestClass]
public sealed class CleanUpTests
{
    private static readonly float[] X = [.. Enumerable.Range(0, 2 * 3 * 5 * 5).Select(i => MathF.Sin(i * 0.7f))];

    [TestMethod]
    public void FoldConstants_WeightsThatAreComputed_AreStoredBitForBit()
    {
        float[] w = [.. Enumerable.Range(0, 4 * 3 * 9).Select(i => MathF.Cos(i * 1.3f))];
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 3, 5, 5])
            .Initializer("w", w, 4, 3, 3, 3)
            .Initializer("s", [0.3f, 1.7f, -2, 0.01f], 4)
            .Node("Constant", [], ["shape"], Attributes.Of("value", TensorData.Longs("", [4L, 1, 1, 1], 4)))
            .Node("Reshape", ["s", "shape"], ["scale"])
            .Node("Mul", ["w", "scale"], ["scaled"])
            .Node("Tanh", ["scaled"], ["kernel"])
            .Node("Conv", ["x", "kernel", "s"], ["y"])
            .Output("y", ["N", 4, 3, 3])
            .Build();
        OnnxModel folded = model.FoldConstants().RemoveUnusedInitializers();
        CollectionAssert.AreEqual(new[] { "Conv" }, folded.Nodes.Select(n => n.OpType).ToArray());
        CollectionAssert.AreEquivalent(new[] { "kernel", "s" }, folded.Initializers.Select(i => i.Name).ToArray());
        CollectionAssert.AreEqual(
            Ort.Run(model, ("x", X, [2, 3, 5, 5]))["y"],
            Ort.Run(folded, ("x", X, [2, 3, 5, 5]))["y"]
        );
    }

    [TestMethod]
    public void FoldConstants_WhatMustStay_Stays()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 4])
            .Initializer("s", [2f])
            .Initializer(
                new TensorProto
                {
                    Name = "q",
                    DataType = (int)DataType.Int8,
                    Dims = { 4 },
                    RawData = Google.Protobuf.ByteString.CopyFrom(1, 2, 3, 4),
                }
            )
            .Node("DequantizeLinear", ["q", "s"], ["weights"])
            .Initializer("many", [50_000L, 4], 2)
            .Node("Expand", ["s", "many"], ["large"])
            .Node("RandomNormal", [], ["noise"], Attributes.Of("shape", [4L]))
            .Node("ReduceMax", ["large"], ["one"], Attributes.Of("keepdims", 0))
            .Node("Mul", ["x", "weights"], ["a"])
            .Node("Add", ["a", "noise"], ["b"])
            .Node("MatMul", ["b", "t"], ["y0"])
            .Node("Transpose", ["large"], ["t"])
            .Output("y0", ["N", 50_000])
            .Build();
        string[] left = [.. model.FoldConstants().Nodes.Select(n => n.OpType)];
        CollectionAssert.Contains(left, "DequantizeLinear", "folding it would undo the quantisation");
        CollectionAssert.Contains(left, "RandomNormal", "it draws anew in every run");
        CollectionAssert.Contains(left, "Expand", "800 KB instead of 20 bytes");
    }

    [TestMethod]
    public void FoldConstants_InitializerThatIsAnInput_IsADefaultAndLeft()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", [2])
            .Initializer("w", [1f, 2], 2)
            .Node("Neg", ["w"], ["n"])
            .Node("Add", ["x", "n"], ["y"])
            .Output("y", [2])
            .Build()
            .With(p => p.Graph.Input.Add(new TensorShape(DataType.Float, [2]).ToValueInfo("w")));
        Assert.HasCount(2, model.FoldConstants().Nodes);
    }

    [TestMethod]
    public void RemoveIdentities_Chains_GoAndNamesOfOutputsStay()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", [4])
            .Node("Identity", ["x"], ["a"])
            .Node("Relu", ["a"], ["b"])
            .Node("Dropout", ["b"], ["c"])
            .Node("Identity", ["c"], ["d"])
            .Node("Neg", ["c"], ["e"])
            .Node("Add", ["d", "e"], ["f"])
            .Node("Sigmoid", ["d"], ["g0"])
            .Node("Identity", ["g0"], ["g"])
            .Output("f", [4])
            .Output("g", [4])
            .Build();
        OnnxModel clean = model.RemoveIdentities();
        CollectionAssert.AreEquivalent(
            new[] { "Relu", "Neg", "Add", "Sigmoid" },
            clean.Nodes.Select(n => n.OpType).ToArray()
        );
        foreach (string output in (string[])["f", "g"])
            CollectionAssert.AreEqual(
                Ort.Run(model, ("x", [1, -2, 3, -4], [4]))[output],
                Ort.Run(clean, ("x", [1, -2, 3, -4], [4]))[output]
            );
    }

    [TestMethod]
    public void RemoveIdentities_BetweenNamesThatMustStay_IsKept()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", [2])
            .Initializer("w", [1f, 2], 2)
            .Node("Identity", ["x"], ["copy"])
            .Node("Identity", ["w"], ["weight"])
            .Node("Relu", ["x"], ["r"])
            .Node("Identity", ["r"], ["again"])
            .Output("copy", [2])
            .Output("weight", [2])
            .Output("r", [2])
            .Output("again", [2])
            .Build();
        OnnxModel clean = model.RemoveIdentities();
        Assert.AreEqual(3, clean.Nodes.Count(n => n.OpType == "Identity"));
        CollectionAssert.AreEqual(new[] { 3f, 0 }, Ort.Run(clean, ("x", [3, -1], [2]))["again"]);
    }

    [TestMethod]
    public void RemoveIdentities_MaskOrTrainingOfDropout_IsKept()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", [2])
            .Node("Dropout", ["x"], ["y", "mask"])
            .Node("Relu", ["y"], ["z"])
            .Output("z", [2])
            .Build();
        Assert.HasCount(2, model.RemoveIdentities().Nodes);
    }

    [TestMethod]
    public void SaveWithExternalData_AboveTheThreshold_LiesBesideAndIsReadBack()
    {
        using TempFolder folder = new();
        float[] w = [.. Enumerable.Range(0, 3000).Select(i => i * 0.5f)];
        OnnxModel model = new GraphBuilder()
            .Input("x", [1, 3000])
            .Initializer("w", w, 3000, 1)
            .Initializer("v", w, 3000)
            .Initializer("b", [7f], 1)
            .Node("Add", ["x", "v"], ["h"])
            .Node("Gemm", ["h", "w", "b"], ["y"])
            .Output("y", [1, 1])
            .Build();
        Assert.IsFalse(model.SaveWithExternalData(folder.File("whole.onnx")));
        Assert.IsFalse(File.Exists(folder.File("whole.onnx.data")));
        Assert.IsTrue(model.SaveWithExternalData(folder.File("m.onnx"), externalAbove: 20_000));
        Assert.IsLessThan(2000, new FileInfo(folder.File("m.onnx")).Length);
        Assert.AreEqual(
            12_288 + 12_000,
            new FileInfo(folder.File("m.onnx.data")).Length,
            "the second weight begins at the next multiple of 4096"
        );
        CollectionAssert.AreEqual(model.ToBytes(), OnnxModel.Load(folder.File("m.onnx")).ToBytes());
        using Microsoft.ML.OnnxRuntime.InferenceSession session = new(folder.File("m.onnx"));
        using var result = session.Run([
            Microsoft.ML.OnnxRuntime.NamedOnnxValue.CreateFromTensor(
                "x",
                new Microsoft.ML.OnnxRuntime.Tensors.DenseTensor<float>(new float[3000], [1, 3000])
            ),
        ]);
        Assert.AreEqual(w.Sum(v => (double)v * v) + 7, result[0].AsTensor<float>()[0], 1e4, "a sum of 2e9 in float32");
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    OnnxModel.Load(folder.File("m.onnx"), new OnnxLimits { MaxExternalBytes = 100 })
                )
                .Message,
            "MaxExternalBytes"
        );
    }

    [TestMethod]
    public void ModelCost_ClosedForms_AreFound()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 4, 8, 8])
            .Initializer("w", new float[6 * 2 * 9], 6, 2, 3, 3)
            .Node(
                "Conv",
                ["x", "w"],
                ["c"],
                Attributes.Of("group", 2L),
                Attributes.Of("strides", [2L, 2]),
                Attributes.Of("pads", [1L, 1, 1, 1])
            )
            .Initializer("t", new float[6 * 5 * 4], 6, 5, 2, 2)
            .Node("ConvTranspose", ["c", "t"], ["u"], Attributes.Of("strides", [2L, 2]))
            .Node("GlobalAveragePool", ["u"], ["p"])
            .Node("Flatten", ["p"], ["f"])
            .Initializer("g", new float[5 * 7], 7, 5)
            .Initializer("b", new float[7], 7)
            .Node("Gemm", ["f", "g", "b"], ["y"], Attributes.Of("transB", 1L))
            .Output("y", ["N", 7])
            .Build();
        Assert.AreEqual((6 * 4 * 4 * 2 * 9) + (6 * 4 * 4 * 5 * 4) + (5 * 7), ModelCost.MultiplyAdds(model));
        Assert.AreEqual((6 * 2 * 9) + (6 * 5 * 4) + 35 + 7, ModelCost.Parameters(model));
        CollectionAssert.AreEqual(
            new[] { "Conv", "ConvTranspose", "Flatten", "Gemm", "GlobalAveragePool" },
            model.OperatorCounts().Select(o => o.Key).ToArray()
        );
    }
}
