using MlNetTransfer.Onnx.Tests.Differentiation;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Oracle: the values that ONNX Runtime gives for the model as it was.</summary>
[TestClass]
public sealed class OperatorSetUpgradeTests
{
    [TestMethod]
    [DataRow("Clip", 10)]
    [DataRow("Clip without bounds", 8)]
    [DataRow("Dropout", 11)]
    [DataRow("LogSoftmax", 12)]
    [DataRow("Pad", 10)]
    [DataRow("Pad of edges", 7)]
    [DataRow("ReduceSum", 12)]
    [DataRow("ReduceSum of all", 12)]
    [DataRow("Resize", 10)]
    [DataRow("Slice", 9)]
    [DataRow("Slice of leading axes", 7)]
    [DataRow("Softmax", 9)]
    [DataRow("Split", 12)]
    [DataRow("Split in equal parts", 7)]
    [DataRow("Squeeze", 12)]
    [DataRow("Unsqueeze", 12)]
    [DataRow("Upsample", 9)]
    [DataRow("Upsample, scales as attribute", 7)]
    [DataRow("BatchNormalization", 9)]
    [DataRow("BatchNormalization", 7)]
    [DataRow("BatchNormalization per channel", 8)]
    public void To_OldForm_ComputesTheSame(string form, int opset)
    {
        OnnxModel old = Build(form).Build(opset);
        OnnxModel upgraded = OperatorSetUpgrade.To(old, 16);
        Assert.AreEqual(16, upgraded.OpsetVersion());
        float[] x = GradientCase.Draw(form, [2, 1, 4, 6]);
        CollectionAssert.AreEqual(
            Ort.Run(old, ("x", x, [2, 1, 4, 6]))["y"],
            Ort.Run(upgraded, ("x", x, [2, 1, 4, 6]))["y"]
        );
    }

    [TestMethod]
    [DataRow("ReduceMean", 17)]
    [DataRow("ReduceMax of all", 13)]
    [DataRow("Resize by sizes", 11)]
    [DataRow("Resize", 10)]
    [DataRow("Split", 12)]
    [DataRow("Split in equal parts", 7)]
    [DataRow("Split in equal parts", 13)]
    [DataRow("Softmax", 9)]
    public void UpgradeOpset_To18_ComputesTheSame(string form, int opset)
    {
        OnnxModel old = Build(form).Build(opset),
            upgraded = old.UpgradeOpset(18);
        Assert.AreEqual(18, upgraded.OpsetVersion());
        float[] x = GradientCase.Draw(form, [2, 1, 4, 6]);
        CollectionAssert.AreEqual(
            Ort.Run(old, ("x", x, [2, 1, 4, 6]))["y"],
            Ort.Run(upgraded, ("x", x, [2, 1, 4, 6]))["y"]
        );
    }

    [TestMethod]
    public void To_NewerSet_IsLeft() =>
        Assert.AreEqual(
            17,
            OperatorSetUpgrade
                .To(new GraphBuilder().Input("x", ["N"]).Node("Relu", ["x"], ["y"]).Output("y", ["N"]).Build(17), 16)
                .OpsetVersion()
        );

    [TestMethod]
    public void To_StatisticsOfTheBatchThatAreUsed_AreRefused()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("s", [1f, 1], 2)
            .Node("BatchNormalization", ["x", "s", "s", "s", "s"], ["n", "m", "v", "sm", "sv"])
            .Node("Add", ["n", "m"], ["y"])
            .Output("y", ["N", 2])
            .Build(9);
        Assert.Contains("'m'", Assert.ThrowsExactly<GraphException>(() => OperatorSetUpgrade.To(model, 16)).Message);
    }

    [TestMethod]
    public void To_StatisticsPerPosition_AreRefused()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("s", [1f, 1], 2)
            .Node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], Attributes.Of("spatial", 0))
            .Output("y", ["N", 2])
            .Build(8);
        Assert.Contains(
            "spatial 0",
            Assert.ThrowsExactly<GraphException>(() => OperatorSetUpgrade.To(model, 13)).Message
        );
    }

    /// <summary>
    /// Files of format version 3 list each weight as an input too; a weight that callers may replace is no constant
    /// that a runtime folds.
    /// </summary>
    [TestMethod]
    public void To_FileOfVersion3_WeightsBecomeConstants()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("s", [1f, 1], 2)
            .Node("Add", ["x", "s"], ["y"])
            .Output("y", ["N", 2])
            .Build(8)
            .With(proto =>
            {
                proto.IrVersion = 3;
                proto.Graph.Input.Add(new TensorShape(Proto.TensorProto.Types.DataType.Float, [2]).ToValueInfo("s"));
            });
        OnnxModel upgraded = model.UpgradeOpset(13);
        Assert.AreEqual(4L, upgraded.ToProto().IrVersion);
        Assert.HasCount(1, upgraded.ToProto().Graph.Input);
        CollectionAssert.AreEqual(new float[] { 3, 4 }, Ort.Run(upgraded, ("x", [2, 3], [1, 2]))["y"]);
    }

    private static GraphBuilder Build(string form)
    {
        GraphBuilder g = new GraphBuilder().Input("x", ["N", 1, 4, 6]);
        g = form switch
        {
            "Clip" => g.Node("Clip", ["x"], ["y"], Attributes.Of("min", -0.5f), Attributes.Of("max", 0.25f)),
            "Clip without bounds" => g.Node("Clip", ["x"], ["y"], Attributes.Of("max", 0.25f)),
            "Dropout" => g.Node("Dropout", ["x"], ["y"], Attributes.Of("ratio", 0.3f)),
            "LogSoftmax" => g.Node("LogSoftmax", ["x"], ["y"], Attributes.Of("axis", -2)),
            "Pad" => g.Node(
                "Pad",
                ["x"],
                ["y"],
                Attributes.Of("pads", [0, 0, 1, 2, 0, 0, 0, -1]),
                Attributes.Of("value", 3f)
            ),
            "Pad of edges" => g.Node(
                "Pad",
                ["x"],
                ["y"],
                Attributes.Of("pads", [0, 0, 1, 2, 0, 0, 0, 1]),
                Attributes.Of("mode", "edge")
            ),
            "ReduceSum" => g.Node(
                "ReduceSum",
                ["x"],
                ["y"],
                Attributes.Of("axes", [1, 3]),
                Attributes.Of("keepdims", 0)
            ),
            "ReduceSum of all" => g.Node("ReduceSum", ["x"], ["y"]),
            "ReduceMean" => g.Node(
                "ReduceMean",
                ["x"],
                ["y"],
                Attributes.Of("axes", [2, 3]),
                Attributes.Of("keepdims", 0)
            ),
            "ReduceMax of all" => g.Node("ReduceMax", ["x"], ["y"]),
            "Resize by sizes" => g.Initializer("roi", Array.Empty<float>(), 0)
                .Initializer("none", Array.Empty<float>(), 0)
                .Initializer("to", [2L, 1, 7, 9], 4)
                .Node("Resize", ["x", "roi", "none", "to"], ["y"], Attributes.Of("mode", "linear")),
            "Resize" => g.Initializer("s", [1f, 1, 2, 1.5f], 4)
                .Node("Resize", ["x", "s"], ["y"], Attributes.Of("mode", "linear")),
            "Slice" => g.Node(
                "Slice",
                ["x"],
                ["y"],
                Attributes.Of("starts", [1, -4]),
                Attributes.Of("ends", [100, -1]),
                Attributes.Of("axes", [2, 3])
            ),
            "Slice of leading axes" => g.Node(
                "Slice",
                ["x"],
                ["y"],
                Attributes.Of("starts", [1]),
                Attributes.Of("ends", [2])
            ),
            "Softmax" => g.Node("Softmax", ["x"], ["y"]),
            "Split" => g.Node("Split", ["x"], ["a", "y"], Attributes.Of("axis", 3), Attributes.Of("split", [2, 4])),
            "Split in equal parts" => g.Node("Split", ["x"], ["a", "y"], Attributes.Of("axis", 3)),
            "Squeeze" => g.Node("Squeeze", ["x"], ["y"], Attributes.Of("axes", [1])),
            "Unsqueeze" => g.Node("Unsqueeze", ["x"], ["y"], Attributes.Of("axes", [0, 3])),
            "Upsample" => g.Initializer("s", [1f, 1, 2, 3], 4)
                .Node("Upsample", ["x", "s"], ["y"], Attributes.Of("mode", "nearest")),
            "Upsample, scales as attribute" => g.Node(
                "Upsample",
                ["x"],
                ["y"],
                Attributes.Of("scales", [1f, 1, 2, 2]),
                Attributes.Of("mode", "linear")
            ),
            "BatchNormalization per channel" => g.Initializer("s", [2f], 1)
                .Node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], Attributes.Of("spatial", 1)),
            _ => g.Initializer("s", [2f], 1).Node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"]),
        };
        return g.Output("y", []);
    }
}
