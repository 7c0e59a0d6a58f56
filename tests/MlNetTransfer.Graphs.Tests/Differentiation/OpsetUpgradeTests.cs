using MlNetTransfer.Graphs.Differentiation;
using MlNetTransfer.Graphs.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Graphs.Tests.Differentiation;

[TestClass]
public sealed class OpsetUpgradeTests
{
    /// <summary>Oracle: ONNX Runtime reads the old form itself; values that only pass are equal, a softmax may sum in another order.</summary>
    [TestMethod]
    [DataRow(9, "Clip", "min=-0.5,max=0.25")]
    [DataRow(9, "Clip", "max=0.25")]
    [DataRow(10, "Dropout", "ratio=0.3")]
    [DataRow(11, "Softmax", "")]
    [DataRow(11, "Softmax", "axis=2")]
    [DataRow(11, "LogSoftmax", "axis=1")]
    [DataRow(10, "Pad", "pads=0;1;0;2;0;0")]
    [DataRow(10, "Pad", "pads=0;1;0;2;0;0,value=1.5")]
    [DataRow(11, "ReduceSum", "axes=0;2")]
    [DataRow(11, "ReduceSum", "")]
    [DataRow(9, "Slice", "starts=1;0,ends=2;3,axes=2;1")]
    [DataRow(9, "Slice", "starts=1;0,ends=2;3")]
    [DataRow(11, "Split", "axis=1,split=1;3")]
    [DataRow(11, "Unsqueeze", "axes=0;2")]
    [DataRow(11, "Squeeze", "")]
    public void AtLeast_OldForms_ComputeTheSame(int opset, string type, string attributes)
    {
        GraphBuilder builder = new GraphBuilder().Input("x", [2, 4, 3]).Node(type, ["x"], type == "Split" ? ["y", "z"] : ["y"], Parse(attributes)).Output("y", [.. Rank(type).Select(i => (Dimension)$"d{i}")]);
        OnnxModel old = builder.Build(opset, 7), upgraded = OpsetUpgrade.AtLeast(old, 16);
        float[] x = [.. Enumerable.Range(0, 24).Select(i => MathF.Sin(i))];
        float[] expected = Ort.Run(old, ("x", x, [2, 4, 3]))["y"], actual = Ort.Run(upgraded, ("x", x, [2, 4, 3]))["y"];
        Assert.AreEqual(16, upgraded.OpsetVersion());
        Assert.AreEqual(expected.Length, actual.Length);
        for (int i = 0; i < actual.Length; i++) Assert.AreEqual(expected[i], actual[i], 1e-6);
    }

    [TestMethod]
    public void AtLeast_OtherChangedOperator_IsNamed()
    {
        OnnxModel model = new GraphBuilder().Input("x", [2, 4]).Node("TopK", ["x"], ["t", "i"], Attributes.Of("k", 2)).Node("Clip", ["t"], ["y"]).Output("y", [2, 2]).Build(9, 7);
        StringAssert.Contains(Assert.ThrowsExactly<GraphException>(() => OpsetUpgrade.AtLeast(model, 16)).Message, "TopK node");
    }

    [TestMethod]
    [DataRow(7, "Upsample", "linear")]
    [DataRow(8, "Upsample", "nearest")]
    [DataRow(9, "Upsample", "nearest")]
    [DataRow(10, "Resize", "nearest")]
    [DataRow(10, "Resize", "linear")]
    public void AtLeast_Resizing_ComputesTheSame(int opset, string type, string mode)
    {
        float[] scales = [1, 1, 2, 3], x = GradientCase.Draw("x", [2, 1, 4, 6]);
        GraphBuilder builder = new GraphBuilder().Input("x", ["N", 1, 4, 6]);
        _ = opset < 9 ? builder.Node(type, ["x"], ["y"], Attributes.Of("mode", mode), Attributes.Of("scales", scales.AsSpan())) : builder.Initializer("s", scales, 4).Node(type, ["x", "s"], ["y"], Attributes.Of("mode", mode));
        OnnxModel old = builder.Output("y", ["N", 1, 8, 18]).Build(opset, 7), upgraded = OpsetUpgrade.AtLeast(old, 16);
        CollectionAssert.AreEqual(Ort.Run(old, ("x", x, [2, 1, 4, 6]))["y"], Ort.Run(upgraded, ("x", x, [2, 1, 4, 6]))["y"]);
    }

    private static IEnumerable<int> Rank(string type) => Enumerable.Range(0, type == "Unsqueeze" ? 5 : 3);

    private static AttributeProto[] Parse(string attributes) => [.. attributes.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(a => a.Split('=')).Select(p =>
        p[1].Contains(';') ? Attributes.Of(p[0], p[1].Split(';').Select(long.Parse).ToArray()) :
        p[1].Contains('.') ? Attributes.Of(p[0], float.Parse(p[1], System.Globalization.CultureInfo.InvariantCulture)) : Attributes.Of(p[0], long.Parse(p[1], System.Globalization.CultureInfo.InvariantCulture)))];
}
