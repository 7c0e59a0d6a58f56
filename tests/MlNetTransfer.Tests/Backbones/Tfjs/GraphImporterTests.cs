using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;
using static MlNetTransfer.Tests.Backbones.Tfjs.TinyModel;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

/// <summary>
/// Every operator of graph models against values worked out by hand. The nodes are written in reverse order: the file
/// need not be sorted.
/// </summary>
[TestClass]
public sealed class GraphImporterTests
{
    private static readonly string Same2 = string.Join(
        ",",
        Text("padding", "SAME"),
        Text("data_format", "NHWC"),
        Integers("strides", 1, 2, 2, 1),
        Integers("dilations", 1, 1, 1, 1)
    );
    private static readonly string Valid1 = string.Join(",", Text("padding", "VALID"), Integers("strides", 1, 1, 1, 1));

    private static string Fused(params string[] ops) =>
        $"'fused_ops':{{'list':{{'s':[{string.Join(",", ops.Select(o => $"'{Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(o))}'"))}]}}}}";

    /// <summary>
    /// Windows 45, 39, 66, 50 (padded after), minus 44, clipped to 0..6; references carry ":0" and "^".
    /// </summary>
    [TestMethod]
    public void FusedConv2D_SameBiasRelu6_IsConvThenClip()
    {
        TinyModel tiny = new TinyModel(4)
            .Weight("w", [3, 3, 3, 1], [.. Enumerable.Range(0, 27).Select(i => i % 3 == 0 ? 1f : 0)])
            .Weight("b", [1], [-44]);
        OnnxModel model = tiny.ImportGraph(
            Node("_FusedConv2D", "c/Relu6", Same2 + "," + Fused("BiasAdd", "Relu6"), "in:0", "w", "b:0", "^noop")
        );
        CollectionAssert.AreEqual(new[] { 1f, 0, 6, 6 }, tiny.Run(model, Ramp(4)));
        CollectionAssert.AreEqual(new[] { "c/Relu6" }, model.Outputs.Select(o => o.Name).ToArray());
    }

    [TestMethod]
    public void FusedDepthwise_Bias_OrdersItsChannels()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("w", [1, 1, 3, 2], [1, 2, 3, 4, 5, 6])
            .Weight("b", [6], [0, 0, 0, 0, 0, 1]);
        CollectionAssert.AreEqual(
            new[] { 1f, 2, 6, 8, 15, 19 },
            tiny.Run(
                tiny.ImportGraph(
                    Node("FusedDepthwiseConv2dNative", "d", Valid1 + "," + Fused("BiasAdd"), "in", "w", "b")
                ),
                (_, _, c) => c + 1
            )
        );
    }

    [TestMethod]
    public void Conv2D_ExplicitPadding_GoesToItsSides()
    {
        TinyModel tiny = new TinyModel(1).Weight("w", [1, 1, 3, 1], [1, 0, 0]);
        string attributes = string.Join(
            ",",
            Text("padding", "EXPLICIT"),
            Integers("strides", 1, 1, 1, 1),
            Integers("explicit_paddings", 0, 0, 1, 0, 2, 0, 0, 0)
        );
        CollectionAssert.AreEqual(
            new[] { 0f, 0, 0, 0, 0, 5 },
            tiny.Run(tiny.ImportGraph(Node("Conv2D", "c", attributes, "in", "w")), (_, _, _) => 5)
        );
    }

    /// <summary>
    /// Constants of rank 0 and 1 broadcast over NHWC's last axis, though the images are NCHW: (2x - 1) · (1, 10, 100).
    /// </summary>
    [TestMethod]
    public void Binary_Constants_BroadcastOverChannels()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("two", [], [2])
            .Weight("one", [], [1])
            .Weight("scale", [3], [1, 10, 100]);
        OnnxModel model = tiny.ImportGraph(
            Node("Mul", "m", "", "two", "in"),
            Node("Sub", "s", "", "m", "one"),
            Node("Mul", "y", "", "s", "scale")
        );
        CollectionAssert.AreEqual(new[] { 1f, 30, 500 }, tiny.Run(model, (_, _, c) => c + 1));
    }

    [TestMethod]
    [DataRow("AddV2", 8f)]
    [DataRow("Sub", 4f)]
    [DataRow("Mul", 12f)]
    [DataRow("RealDiv", 3f)]
    [DataRow("Maximum", 6f)]
    [DataRow("Minimum", 2f)]
    [DataRow("BiasAdd", 8f)]
    public void Binary_SixAndTwo_IsAsDefined(string op, float expected)
    {
        TinyModel tiny = new TinyModel(1).Weight("two", [3], [2, 2, 2]);
        Assert.AreEqual(expected, tiny.Run(tiny.ImportGraph(Node(op, "y", "", "in", "two")), (_, _, _) => 6)[0]);
    }

    /// <summary>
    /// A network that works in NCHW between transposes: no transpose is left, and 'mid' (NCHW in TensorFlow too) adds
    /// per channel.
    /// </summary>
    [TestMethod]
    public void Transposes_BetweenLayouts_Cancel()
    {
        TinyModel tiny = new TinyModel(2)
            .Weight("toNchw", [4], [0, 3, 1, 2])
            .Weight("toNhwc", [4], [0, 2, 3, 1])
            .Weight("c", [1, 3, 1, 1], [1, 2, 3])
            .Weight("w", [1, 1, 3, 1], [1, 1, 1]);
        OnnxModel model = tiny.ImportGraph(
            Node("Transpose", "t", "", "in", "toNchw"),
            Node("AddV2", "mid", "", "t", "c"),
            Node("Transpose", "back", "", "mid", "toNhwc"),
            Node("Conv2D", "y", Valid1, "back", "w")
        );
        Assert.IsFalse(model.Nodes.Any(n => n.OpType == "Transpose"));
        CollectionAssert.AreEqual(new[] { 6f, 117, 228, 339 }, tiny.Run(model, Ramp(2)));
        Assert.AreEqual("Float [N, 3, 2, 2]", model.DeclaredShape("mid")!.ToString());
    }

    /// <summary>
    /// NHWC reshapes keep row, column, channel: [2, 2, 3] to [4, 3], then x · (1, 10, 100)ᵀ for each pixel.
    /// </summary>
    [TestMethod]
    public void Reshape_OfImages_TransposesFirst()
    {
        TinyModel tiny = new TinyModel(2).Weight("shape", [3], [-1, 4, 3]).Weight("w", [1, 3], [1, 10, 100]);
        OnnxModel model = tiny.ImportGraph(
            Node("Reshape", "r", "", "in", "shape"),
            Node("_FusedMatMul", "y", "'transpose_b':{'b':true}", "r", "w")
        );
        CollectionAssert.AreEqual(new[] { 0f, 321, 642, 963 }, tiny.Run(model, (y, x, c) => (y * 2 + x) * (c + 1)));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Mean_OverPixels_GivesChannels(bool keep)
    {
        TinyModel tiny = new TinyModel(2).Weight("axes", [2], [1, 2]);
        OnnxModel model = tiny.ImportGraph(
            Node("Mean", "m", $"'keep_dims':{{'b':{(keep ? "true" : "false")}}}", "in", "axes")
        );
        CollectionAssert.AreEqual(new[] { 1.5f, 15, 150 }, tiny.Run(model, Ramp(2)));
        Assert.AreEqual(keep ? "Float [N, 3, 1, 1]" : "Float [N, 3]", model.DeclaredShape("m")!.ToString());
    }

    /// <summary>Mean over the rows only: [N, W, C] in TensorFlow's order.</summary>
    [TestMethod]
    public void Mean_OverRows_KeepsTensorFlowsOrder()
    {
        TinyModel tiny = new TinyModel(2).Weight("axes", [1], [1]);
        CollectionAssert.AreEqual(
            new[] { 1f, 10, 100, 2, 20, 200 },
            tiny.Run(tiny.ImportGraph(Node("Mean", "m", "", "in", "axes")), Ramp(2))
        );
    }

    [TestMethod]
    public void PoolSqueezeMatMulSoftmax_Tail_Agrees()
    {
        TinyModel tiny = new TinyModel(2)
            .Weight("w", [3, 2], [0, MathF.Log(3) / 1.5f, 0, 0, 0, 0])
            .Weight("b", [2], [0, 0]);
        OnnxModel model = tiny.ImportGraph(
            Node("AvgPool", "p", Valid1 + "," + Integers("ksize", 1, 2, 2, 1), "in"),
            Node("Squeeze", "q", Integers("squeeze_dims", 1, 2), "p"),
            Node("_FusedMatMul", "l", Fused("BiasAdd"), "q", "w", "b"),
            Node("Softmax", "s", "", "l"),
            Node("Identity", "Identity", "", "s")
        );
        float[] y = tiny.Run(model, Ramp(2));
        Assert.AreEqual(0.25, y[0], 1e-6);
        Assert.AreEqual(0.75, y[1], 1e-6);
        CollectionAssert.AreEqual(new[] { 1.5f, 15, 150 }, tiny.Run(model, Ramp(2), "q"));
    }

    [TestMethod]
    public void PadConcatMaxPoolBatchNorm_Agree()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("pads", [4, 2], [0, 0, 0, 1, 1, 0, 0, 0])
            .Weight("axis", [], [3])
            .Weight("g", [6], [2, 2, 2, 2, 2, 2])
            .Weight("o", [6], [1, 1, 1, 1, 1, 1])
            .Weight("m", [6], [0, 0, 0, 0, 0, 0])
            .Weight("v", [6], [0, 0, 0, 0, 0, 0]);
        OnnxModel model = tiny.ImportGraph(
            Node("Pad", "p", "", "in", "pads"),
            Node("ConcatV2", "c", "", "p", "p", "axis"),
            Node("FusedBatchNormV3", "b", "'epsilon':{'f':0.25},'is_training':{'b':false}", "c", "g", "o", "m", "v"),
            Node("MaxPool", "x", Valid1 + "," + Integers("ksize", 1, 2, 1, 1), "b")
        );
        CollectionAssert.AreEqual(new[] { 0f, 5, 0, 0 }, tiny.Run(model, (_, _, _) => 5, "p")[..4]);
        CollectionAssert.AreEqual(new[] { 1f, 21 }, tiny.Run(model, (_, _, _) => 5)[..2]);
        Assert.AreEqual("Float [N, 6, 1, 2]", model.DeclaredShape("x")!.ToString());
    }

    [TestMethod]
    [DataRow("Where", "in", "node 'x' (Where) is an operator that cannot be imported yet")]
    [DataRow("Relu", "nowhere", "'nowhere', which no node makes")]
    [DataRow("Relu", "in:1", "only the first output")]
    [DataRow("Relu", "x", "depends on itself")]
    [DataRow("Mean", "in", "has 1 inputs")]
    public void Import_WhatIsNotKnown_NamesNodeAndFile(string op, string input, string expected)
    {
        TfjsException error = Assert.ThrowsExactly<TfjsException>(() =>
            new TinyModel(2).ImportGraph(Node(op, "x", "", input), Node("Identity", "out", "", "x"))
        );
        StringAssert.Contains(error.Message, expected);
        StringAssert.Contains(error.Message, "model.json");
        StringAssert.Contains(error.Message, "'x'");
    }

    private static Func<int, int, int, float> Ramp(int size) =>
        (y, x, c) =>
            (y * size + x)
            * (
                c switch
                {
                    0 => 1,
                    1 => 10,
                    _ => 100,
                }
            );

    /// <summary>
    /// A model that was PyTorch's: NCHW outside, transposes around every convolution, padding in NCHW, a fixed batch
    /// and size, and a head that cannot be imported.
    /// </summary>
    [TestMethod]
    public void Import_ChannelsFirstInputUpToATap_HasNoTransposeAndTakesAnotherSize()
    {
        using TempFolder folder = new();
        TinyModel model = new TinyModel(8)
            .Weight("k", [3, 3, 3, 1], [.. Enumerable.Repeat(1f, 27)])
            .Weight("pads", [4, 2], [0, 0, 0, 0, 1, 1, 1, 1])
            .Weight("to", [4], [0, 2, 3, 1])
            .Weight("back", [4], [0, 3, 1, 2]);
        string input = TinyModel.Node(
            "Placeholder",
            "in",
            "'shape':{'shape':{'dim':[{'size':'1'},{'size':'3'},{'size':'8'},{'size':'8'}]}}"
        );
        string[] constants = [.. new[] { "k", "pads", "to", "back" }.Select(c => TinyModel.Node("Const", c, ""))];
        string file = model.Write(
            folder.Path,
            "{'node':["
                + string.Join(
                    ",",
                    [
                        input,
                        .. constants,
                        TinyModel.Node("Pad", "pad", "", "in", "pads"),
                        TinyModel.Node("Transpose", "nhwc", "", "pad", "to"),
                        TinyModel.Node(
                            "Conv2D",
                            "conv",
                            TinyModel.Text("padding", "VALID") + "," + TinyModel.Integers("strides", 1, 1, 1, 1),
                            "nhwc",
                            "k"
                        ),
                        TinyModel.Node("Transpose", "tap", "", "conv", "back"),
                        TinyModel.Node("NonMaxSuppressionV5", "head", "", "tap"),
                    ]
                )
                + "]}"
        );
        OnnxModel onnx = TfjsImporter.Import(file, size: 4, upTo: ["tap"]);
        Assert.AreEqual(0, onnx.Nodes.Count(n => n.OpType == "Transpose"));
        float[] sums = Ort.Run(onnx, ("image", [.. Enumerable.Repeat(1f, 48)], [1, 3, 4, 4]))["tap"];
        CollectionAssert.AreEqual(new float[] { 12, 18, 18, 12, 18, 27, 27, 18, 18, 27, 27, 18, 12, 18, 18, 12 }, sums);
        StringAssert.Contains(
            Assert.ThrowsExactly<TfjsException>(() => TfjsImporter.Import(file, size: 8)).Message,
            "NonMaxSuppressionV5"
        );
    }
}
