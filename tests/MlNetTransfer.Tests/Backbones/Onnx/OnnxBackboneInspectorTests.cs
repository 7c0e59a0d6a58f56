using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>Oracle: the model as it was before, run by ONNX Runtime on the same image.</summary>
[TestClass]
public sealed class OnnxBackboneInspectorTests
{
    private const float Float32 = 1e-5f;

    [TestMethod]
    public void Inspect_PlainModel_FindsInputOutputAndTaps()
    {
        InspectedBackbone found = OnnxBackboneInspector.Inspect(TinyOnnx.Model(), TinyOnnx.Unit);
        Assert.AreEqual(
            "map8_1 4 relu1, map4_1 8 relu2, vector_1 12 row",
            string.Join(", ", found.Taps.Select(t => $"{t.Name} {t.Width} {t.Tensor}")),
            "map2 is left out: its mean is the row"
        );
        Assert.AreEqual(5, found.Classes);
        Assert.AreEqual("Float [N, 3, 16, 16]", found.Model.DeclaredShape("image")!.ToString());
        Assert.AreEqual("Float [N, 8, 4, 4]", found.Model.DeclaredShape("relu2")!.ToString());
        Near(Before(TinyOnnx.Model()), TinyOnnx.Run(found), Float32);
    }

    [TestMethod]
    public void Inspect_ChannelsLastInput_GetsATransposeAndGivesTheSame()
    {
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            TinyOnnx.Model(["N", 16, 16, 3], channelsLast: true),
            TinyOnnx.Unit
        );
        Near(Before(TinyOnnx.Model()), TinyOnnx.Run(found), Float32);
        Assert.AreEqual("relu1, relu2, row", string.Join(", ", found.Taps.Select(t => t.Tensor)));
    }

    /// <summary>Half precision has 11 bits: 5e-4 of each value, a few such steps in a row.</summary>
    [TestMethod]
    public void Inspect_HalfPrecision_GetsACastAndWorksAtEveryTap()
    {
        InspectedBackbone half = OnnxBackboneInspector.Inspect(TinyOnnx.Model(type: DataType.Float16), TinyOnnx.Unit);
        InspectedBackbone single = OnnxBackboneInspector.Inspect(TinyOnnx.Model(), TinyOnnx.Unit);
        Assert.AreEqual("Float [N, 3, 16, 16]", half.Model.DeclaredShape("image")!.ToString());
        foreach (string tensor in (string[])["relu1", "relu2", "row"])
            Near(Features(single, tensor), Features(half, tensor), 5e-3f);
        Near(Softmax(Before(TinyOnnx.Model())), Probabilities(half), 5e-3f);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public void Inspect_FixedBatch_BecomesDynamic(int batch)
    {
        OnnxModel model = TinyOnnx.Model([batch, 3, 16, 16], flatten: (g, x) => Reshape(g, x, batch, 12));
        InspectedBackbone found = OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit);
        float[] three = TinyOnnx.Run(found, batch: 3);
        Near(Before(TinyOnnx.Model(), 3), three, Float32);
    }

    [TestMethod]
    public void Inspect_BatchThatCannotBeFreed_SaysSo()
    {
        OnnxModel model = TinyOnnx.Model(
            [1, 3, 16, 16],
            flatten: (g, x) =>
            {
                g.Initializer("to", [12L], 1)
                    .Initializer("back", [1L, 12L], 2)
                    .Node("Reshape", [x, "to"], ["flat"])
                    .Node("Reshape", ["flat", "back"], ["row"]);
                return "row";
            }
        );
        Refused(model, "fixed at 1", "dynamic batch");
    }

    [TestMethod]
    public void Inspect_ImagesThatDependOnEachOther_IsRefused() =>
        Refused(
            TinyOnnx.Model(
                flatten: (g, x) =>
                {
                    g.Node("ReduceMean", [x], ["mean"], Attributes.Of("axes", [0]), Attributes.Of("keepdims", 1))
                        .Node("Sub", [x, "mean"], ["centred"])
                        .Node("Flatten", ["centred"], ["row"]);
                    return "row";
                }
            ),
            "depends on the other images"
        );

    [TestMethod]
    [DataRow("", 1.0)]
    [DataRow("Softmax", 1.0)]
    [DataRow("LogSoftmax", 1.0)]
    public void ToProbabilities_Logits_GetASoftmaxOthersAreTakenAsTheyAre(string end, double sum)
    {
        InspectedBackbone found = OnnxBackboneInspector.Inspect(TinyOnnx.Model(end: end), TinyOnnx.Unit);
        float[] probabilities = Probabilities(found);
        Near(Softmax(Before(TinyOnnx.Model())), probabilities, Float32);
        Assert.AreEqual(sum, probabilities.Sum(), 1e-5);
    }

    [TestMethod]
    public void ToProbabilities_Sigmoid_StaysASigmoid() =>
        Near(
            [.. Before(TinyOnnx.Model()).Select(v => 1 / (1 + MathF.Exp(-v)))],
            Probabilities(OnnxBackboneInspector.Inspect(TinyOnnx.Model(end: "Sigmoid"), TinyOnnx.Unit)),
            Float32
        );

    [TestMethod]
    public void Inspect_SeveralOutputs_TakesTheOneThatAllOthersFeed()
    {
        OnnxModel model = TinyOnnx.Model(end: "Softmax").CutAt("logits", "scores");
        Assert.AreEqual("scores", OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit).Model.Outputs.Single().Name);
        Assert.AreEqual(
            "logits",
            OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit with { Output = "logits" }).Model.Outputs.Single().Name
        );
        OnnxModel two = TinyOnnx
            .Model()
            .Append([
                new NodeProto
                {
                    OpType = "Neg",
                    Input = { "logits" },
                    Output = { "a" },
                },
                new NodeProto
                {
                    OpType = "Exp",
                    Input = { "logits" },
                    Output = { "b" },
                },
            ])
            .CutAt("a", "b");
        Refused(two, "2 outputs: 'a' [1, 5], 'b' [1, 5]", "--output");
    }

    [TestMethod]
    public void Inspect_DynamicHeightAndWidth_NeedsASizeAndFixesIt()
    {
        OnnxModel model = TinyOnnx.Model(["N", 3, "H", "W"]);
        Refused(model, "--input-size");
        InspectedBackbone found = OnnxBackboneInspector.Inspect(model, TinyOnnx.With("unit", 32));
        Assert.AreEqual("Float [N, 3, 32, 32]", found.Model.DeclaredShape("image")!.ToString());
        Assert.AreEqual(32, found.Preprocessing.Size);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    OnnxBackboneInspector.Inspect(TinyOnnx.Model(), TinyOnnx.With("unit", 32))
                )
                .Message,
            "16 x 16 pixels; 32 x 32 were asked for"
        );
    }

    /// <summary>
    /// The batch read from the input's shape, as exporters write it for view(x.size(0), -1), goes around the whole
    /// network but carries no image.
    /// </summary>
    [TestMethod]
    public void Inspect_SizesReadFromTheInput_AreNoPath()
    {
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            TinyOnnx.Model(
                flatten: (g, x) =>
                {
                    g.Initializer("zero", [0L], 1)
                        .Initializer("rest", [-1L], 1)
                        .Node("Shape", ["pixels"], ["sizes"])
                        .Node("Gather", ["sizes", "zero"], ["batch"])
                        .Node("Concat", ["batch", "rest"], ["target"], Attributes.Of("axis", 0))
                        .Node("Reshape", [x, "target"], ["row"]);
                    return "row";
                }
            ),
            TinyOnnx.Unit
        );
        Assert.AreEqual("relu1, relu2, row", string.Join(", ", found.Taps.Select(t => t.Tensor)));
    }

    /// <summary>
    /// Eight channels, eight pixels: only the transposes tell [N, height, width, channels] from a map.
    /// </summary>
    [TestMethod]
    public void Inspect_ChannelsLastInside_IsNotTapped()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 3, 16, 16])
            .Initializer(RandomTensor.Of("w1", 1, 8, 3, 3, 3))
            .Initializer(RandomTensor.Of("w2", 2, 8, 8))
            .Initializer(RandomTensor.Of("w3", 3, 12, 8, 3, 3))
            .Initializer(RandomTensor.Of("fc", 4, 5, 12))
            .Node("Conv", ["x", "w1"], ["conv1"], Attributes.Of("strides", [2, 2]), Attributes.Of("pads", [1, 1, 1, 1]))
            .Node("Transpose", ["conv1"], ["nhwc"], Attributes.Of("perm", [0, 2, 3, 1]))
            .Node("MatMul", ["nhwc", "w2"], ["mixed"])
            .Node("Relu", ["mixed"], ["active"])
            .Node("Add", ["active", "nhwc"], ["block"])
            .Node("Transpose", ["block"], ["nchw"], Attributes.Of("perm", [0, 3, 1, 2]))
            .Node(
                "Conv",
                ["nchw", "w3"],
                ["conv3"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("pads", [1, 1, 1, 1])
            )
            .Node("GlobalAveragePool", ["conv3"], ["pool"])
            .Node("Flatten", ["pool"], ["row"])
            .Node("Gemm", ["row", "fc"], ["y"], Attributes.Of("transB", 1))
            .Output("y", ["N", 5])
            .Build();
        string[] taps = [.. OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit).Taps.Select(t => t.Tensor)];
        CollectionAssert.AreEqual(new[] { "conv1", "nchw", "row" }, taps);
    }

    [TestMethod]
    public void Inspect_OtherTensorNamedImage_IsRenamed()
    {
        OnnxModel model = TinyOnnx.Model().RenameTensor("relu2", "image");
        InspectedBackbone found = OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit);
        Near(Before(TinyOnnx.Model()), TinyOnnx.Run(found), Float32);
    }

    [TestMethod]
    public void Inspect_WithoutClassifier_TapsTheOutputAndHasNoClasses()
    {
        InspectedBackbone map = OnnxBackboneInspector.Inspect(TinyOnnx.Model().CutAt("relu3"), TinyOnnx.Unit);
        Assert.AreEqual(0, map.Classes);
        Assert.AreEqual("relu3", map.Taps[^1].Tensor);
    }

    [TestMethod]
    public void Inspect_InputsThatAreNoImage_AreListed()
    {
        Refused(
            new GraphBuilder().Input("x", ["N", 10]).Node("Relu", ["x"], ["y"]).Output("y", ["N", 10]).Build(),
            "'x' Float [N, 10]",
            "[N, channels, height, width]"
        );
        Refused(
            new GraphBuilder()
                .Input("x", ["N", 5, 16, 16])
                .Node("Relu", ["x"], ["y"])
                .Output("y", ["N", 5, 16, 16])
                .Build(),
            "without a dimension of 1, 3 or 4"
        );
        Refused(
            new GraphBuilder()
                .Input("x", ["N", 3, 16, 16])
                .Input("mask", ["N", 7])
                .Node("Relu", ["x"], ["y"])
                .Node("Relu", ["mask"], ["z"])
                .Output("y", ["N", 3, 16, 16])
                .Output("z", ["N", 7])
                .Build(),
            "2 inputs: 'x' Float [N, 3, 16, 16], 'mask' Float [N, 7]"
        );
        Refused(
            new GraphBuilder().Initializer("c", [1f]).Node("Relu", ["c"], ["y"]).Output("y", [1]).Build(),
            "no input"
        );
        Refused(
            new GraphBuilder()
                .Input("x", ["N", 3, 16, 16], DataType.Int32)
                .Node("Identity", ["x"], ["y"])
                .Output("y", ["N", 3, 16, 16], DataType.Int32)
                .Build(),
            "Int32"
        );
    }

    [TestMethod]
    public void Inspect_CustomOperator_NamesOperatorDomainAndNode()
    {
        OnnxModel model = TinyOnnx
            .Model()
            .WithOpset(1, "acme")
            .Append([
                new NodeProto
                {
                    OpType = "Wiggle",
                    Domain = "acme",
                    Name = "wiggle_7",
                    Input = { "logits" },
                    Output = { "wiggled" },
                },
            ]);
        Refused(model, "'Wiggle'", "'acme'", "wiggle_7");
        Refused(
            TinyOnnx
                .Model()
                .Append([
                    new NodeProto
                    {
                        OpType = "Wobble",
                        Name = "wobble_7",
                        Input = { "logits" },
                        Output = { "wobbled" },
                    },
                ])
                .With(p => p.Graph.Output[0].Name = "wobbled"),
            "Wobble"
        );
    }

    [TestMethod]
    public void Inspect_WeightsThatAreNotFinite_AreRefused() =>
        Refused(
            TinyOnnx
                .Model()
                .With(p =>
                {
                    TensorProto fc = p.Graph.Initializer.Single(i => i.Name == "fc");
                    fc.RawData = TensorData.Floats("fc", [.. Enumerable.Repeat(float.NaN, 60)], 5, 12).RawData;
                }),
            "not finite"
        );

    [TestMethod]
    public void Inspect_PreprocessingNowhereStated_NamesTheOptions()
    {
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            OnnxBackboneInspector.Inspect(TinyOnnx.Model())
        );
        foreach (
            string option in (string[])["--preprocessing imagenet", "unit", "minus1to1", "--mean r,g,b --std r,g,b"]
        )
            StringAssert.Contains(error.Message, option);
    }

    [TestMethod]
    [DataRow("NominalRange_0_255", 0f, 1f / 255)]
    [DataRow("Normalized_0_1", 0f, 1f)]
    [DataRow("Normalized_1_1", 0.5f, 0.5f)]
    public void Inspect_PreprocessingInTheMetadata_IsTaken(string range, float mean, float std)
    {
        Preprocessing found = OnnxBackboneInspector
            .Inspect(
                TinyOnnx
                    .Model()
                    .WithMetadata("Image.NominalPixelRange", range)
                    .WithMetadata("Image.BitmapPixelFormat", "Rgb8")
            )
            .Preprocessing;
        Assert.AreEqual(
            (new ChannelValues(mean, mean, mean), new ChannelValues(std, std, std)),
            (found.Mean, found.Std)
        );
    }

    private static string Reshape(GraphBuilder graph, string x, long batch, long width)
    {
        graph.Initializer("shape", [batch, width], 2).Node("Reshape", [x, "shape"], ["row"]);
        return "row";
    }

    private static void Refused(OnnxModel model, params string[] expected)
    {
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit)
        );
        foreach (string text in expected)
            StringAssert.Contains(error.Message, text);
    }

    private static float[] Before(OnnxModel model, int batch = 1) =>
        Ort.Run(model, ("pixels", TinyOnnx.Images(batch), [batch, 3, 16, 16]))[model.Outputs.Single().Name];

    private static float[] Features(InspectedBackbone backbone, string tensor) =>
        Ort.Run(FeatureGraph.Build(backbone.Model, tensor), ("image", TinyOnnx.Images(1), [1, 3, 16, 16]))[
            FeatureGraph.Output
        ];

    private static float[] Probabilities(InspectedBackbone backbone) =>
        Ort.Run(
            ClassifierOutput.ToProbabilities(backbone.Model, backbone.Classes),
            ("image", TinyOnnx.Images(1), [1, 3, 16, 16])
        )[ClassifierOutput.Probabilities];

    private static float[] Softmax(float[] logits)
    {
        double[] e = [.. logits.Select(v => Math.Exp(v))];
        return [.. e.Select(v => (float)(v / e.Sum()))];
    }

    private static void Near(float[] expected, float[] actual, float tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        Assert.IsGreaterThan(0.01f, expected.Max(Math.Abs), "the expected values are alive");
        Assert.IsLessThan(tolerance, expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max());
    }
}
