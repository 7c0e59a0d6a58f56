using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests.Quantization;

[TestClass]
public sealed class QuantizableGraphTests
{
    /// <summary>
    /// Every number of the case is a whole number of steps, so that int8 must give float's result to the bit, with ONNX
    /// Runtime's kernels on bytes and without.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Quantize_ConvOfWholeSteps_IsExact(bool optimise)
    {
        // Channel 0: scale 1 (its largest weight is 127), channel 1: scale 2. Input: scale 1, zero point 0. Output:
        // scale 100, zero point 100.
        OnnxModel conv = Conv([127, -3, 254, -4], [50, -100], relu: false);
        OnnxModel quantized = QuantizableGraph.Of(conv).Quantize(Ranges(("x", 0, 255), ("y", -10000, 15500)));
        float[] x =
        [
            2,
            4,
            100,
            0, /* second channel */
            18,
            36,
            0,
            50,
        ];
        // 127 a - 3 b + 50 and 254 a - 4 b - 100, of which the first two pixels are 250 and 450: halves go to the even
        // step.
        float[] expected = [200, 400, 12800, -100, 300, 800, 15500, -300];
        CollectionAssert.AreEqual(expected, Ort.Run(quantized, optimise, ("x", x, [1, 2, 2, 2]))["y"]);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Quantize_Rectifier_IsDoneByTheRange(bool optimise)
    {
        OnnxModel quantized = QuantizableGraph
            .Of(Conv([127, -3, 254, -4], [50, -100], relu: true))
            .Quantize(Ranges(("x", 0, 255), ("y", 0, 25500)));
        Assert.IsFalse(quantized.Nodes.Any(n => n.OpType == "Relu"));
        float[] found = Ort.Run(quantized, optimise, ("x", [0, 4, 200, 0, 200, 36, 0, 50], [1, 2, 2, 2]))["y"];
        // -550 to 0; 254 · 200 - 100 = 50,700 beyond the range, to its end; all else in steps of 100.
        CollectionAssert.AreEqual(new float[] { 0, 400, 25400, 0, 0, 800, 25500, 0 }, found);
    }

    [TestMethod]
    public void Quantize_ClipWithinTheRange_Stays()
    {
        OnnxModel clipped = Conv([127, -3, 254, -4], [50, -100], relu: false)
            .RenameTensor("y", "before")
            .Append([Clip("before", "y")], [TensorData.Floats("low", [0]), TensorData.Floats("high", [1000])])
            .CutAt("y");
        QuantizableGraph graph = QuantizableGraph.Of(clipped);
        Assert.IsFalse(graph.Quantize(Ranges(("x", 0, 255), ("y", 0, 1000))).Nodes.Any(n => n.OpType == "Clip"));
        Assert.IsTrue(
            graph.Quantize(Ranges(("x", 0, 255), ("y", 0, 2000))).Nodes.Any(n => n.OpType == "Clip"),
            "2000 is a byte that the Clip does not give"
        );
        Assert.IsFalse(
            graph.Quantize(Ranges(("x", 0, 255), ("y", 0, 500))).Nodes.Any(n => n.OpType == "Clip"),
            "what the Clip cuts, the range cuts"
        );
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Quantize_GemmOfWholeSteps_IsExact(bool transposed)
    {
        float[] weights = transposed ? [127, 1, -254, 6] : [127, -254, 1, 6];
        OnnxModel gemm = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", weights, 2, 2)
            .Initializer("b", [-7f, 10f], 2)
            .Node("Gemm", ["x", "w", "b"], ["y"], Attributes.Of("transB", transposed ? 1 : 0))
            .Output("y", ["N", 2])
            .Build();
        OnnxModel quantized = QuantizableGraph.Of(gemm).Quantize(Ranges(("x", -100, 155), ("y", -30000, 33750)));
        TensorProto found = Initializer(quantized, "y/weight");
        CollectionAssert.AreEqual(
            (transposed ? (sbyte[])[127, 1, -127, 3] : [127, -127, 1, 3]).Select(v => (byte)v).ToArray(),
            found.RawData.ToByteArray()
        );
        // 127 · 2 + 0 - 7 = 247 and -508 + 10 = -498, in steps of 250; 127 · -100 + 3 - 7 and 25,400 + 18 + 10.
        CollectionAssert.AreEqual(
            new float[] { 250, -500, -12750, 25500 },
            Ort.Run(quantized, true, ("x", [2, 0, -100, 3], [2, 2]))["y"]
        );
    }

    [TestMethod]
    public void Quantize_MatMul_HasAScalePerColumn()
    {
        OnnxModel matmul = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", [127f, -254, 1, 6], 2, 2)
            .Node("MatMul", ["x", "w"], ["y"])
            .Output("y", ["N", 2])
            .Build();
        OnnxModel quantized = QuantizableGraph.Of(matmul).Quantize(Ranges(("x", -100, 155), ("y", -30000, 33750)));
        CollectionAssert.AreEqual(new[] { 1f, 2f }, TensorData.ToFloats(Initializer(quantized, "y/weight_scale")));
        CollectionAssert.AreEqual(new float[] { 250, -500 }, Ort.Run(quantized, true, ("x", [2, 0], [1, 2]))["y"]);
    }

    [TestMethod]
    public void Quantize_Weights_AreThoseOfTheFormulaByChannel()
    {
        OnnxModel quantized = QuantizableGraph
            .Of(Conv([12.7f, -0.3f, 0, 0], [0.5f, -1], relu: false))
            .Quantize(Ranges(("x", 0, 25.5f), ("y", -1, 1)));
        TensorProto weights = Initializer(quantized, "y/weight"),
            bias = Initializer(quantized, "y/bias");
        Assert.AreEqual((int)DataType.Int8, weights.DataType);
        CollectionAssert.AreEqual(
            new sbyte[] { 127, -3, 0, 0 }
                .Select(v => (byte)v)
                .ToArray(),
            weights.RawData.ToByteArray()
        );
        float[] scales = TensorData.ToFloats(Initializer(quantized, "y/weight_scale")),
            steps = TensorData.ToFloats(Initializer(quantized, "y/bias_scale"));
        Assert.AreEqual(12.7f / 127, scales[0]);
        Assert.AreEqual((int)DataType.Int32, bias.DataType);
        long[] whole = TensorData.ToLongs(bias);
        for (int c = 0; c < 2; c++)
            Assert.AreEqual(scales[c] * 0.1f, steps[c], 1e-12);
        Assert.AreEqual(50, whole[0], "0.5 in steps of 0.1 · 0.1");
        // The channel of zeros gets steps so fine that its bias, all it gives, is kept.
        Assert.AreEqual(-1, whole[1] * (double)steps[1], 1e-6);
        Assert.IsTrue(Math.Abs(whole[1]) is > 1 << 20 and <= (1 << 30) + 1024);
    }

    [TestMethod]
    public void Quantize_ChannelOfZeros_GivesItsBias()
    {
        OnnxModel quantized = QuantizableGraph
            .Of(Conv([12.7f, -0.3f, 0, 0], [0.5f, -1], relu: false))
            .Quantize(Ranges(("x", 0, 25.5f), ("y", -2, 2)));
        foreach (bool optimise in (bool[])[true, false])
        {
            float[] found = Ort.Run(quantized, optimise, ("x", [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]))["y"];
            for (int i = 4; i < 8; i++)
                Assert.AreEqual(-1, found[i], 4.0 / 255 / 2 + 1e-6, "half a step of the output");
        }
    }

    [TestMethod]
    public void Quantize_RandomConv_IsWithinTheErrorOfItsSteps()
    {
        var random = new Random(7);
        float Next() => 2 * random.NextSingle() - 1;
        float[] weights = [.. Enumerable.Range(0, 8 * 4 * 9).Select(_ => Next())],
            bias = [.. Enumerable.Range(0, 8).Select(_ => Next())],
            x = [.. Enumerable.Range(0, 4 * 36).Select(_ => Next())];
        OnnxModel conv = new GraphBuilder()
            .Input("x", ["N", 4, 6, 6])
            .Initializer("w", weights, 8, 4, 3, 3)
            .Initializer("b", bias, 8)
            .Node("Conv", ["x", "w", "b"], ["y"], Attributes.Of("pads", [1, 1, 1, 1]))
            .Output("y", ["N", 8, 6, 6])
            .Build();
        float[] expected = Ort.Run(conv, ("x", x, [1, 4, 6, 6]))["y"];
        OnnxModel quantized = QuantizableGraph
            .Of(conv)
            .Quantize(Ranges(("x", -1, 1), ("y", expected.Min(), expected.Max())), bits: WeightBits.Seven);
        float[] found = Ort.Run(quantized, true, ("x", x, [1, 4, 6, 6]))["y"];
        // Seven bits: CPUs without VNNI instructions clip sums of eight. 36 products, each off by at most half a step of
        // either factor; the zero point may shift an end by another half step.
        double step = 2 / 255.0,
            weightStep = 1 / 63.0,
            output = (expected.Max() - expected.Min()) / 255;
        double bound = 36 * (step / 2 + weightStep / 2 + step * weightStep / 4) + output;
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], bound);
        double rms = Math.Sqrt(expected.Zip(found, (a, b) => (a - b) * (a - b)).Average());
        // Uniform errors: variance step²/12 per factor, times 36 products with E[w²] = E[x²] = 1/3, and the output's
        // own step.
        double predicted = Math.Sqrt(36 * (step * step + weightStep * weightStep) / 36 + output * output / 12);
        Assert.AreEqual(predicted, rms, 0.35 * predicted, "288 values, whose errors share weights");
    }

    [TestMethod]
    public void Quantize_BatchNormalisation_IsFoldedBefore()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 1, 2, 2])
            .Initializer("w", [3f], 1, 1, 1, 1)
            .Initializer("scale", [2f], 1)
            .Initializer("shift", [1f], 1)
            .Initializer("mean", [0.5f], 1)
            .Initializer("variance", [0.25f], 1)
            .Node("Conv", ["x", "w"], ["c"])
            .Node(
                "BatchNormalization",
                ["c", "scale", "shift", "mean", "variance"],
                ["y"],
                Attributes.Of("epsilon", 0f)
            )
            .Output("y", ["N", 1, 2, 2])
            .Build();
        QuantizableGraph graph = QuantizableGraph.Of(model);
        CollectionAssert.AreEqual(new[] { "Conv" }, graph.Model.Nodes.Select(n => n.OpType).ToArray());
        // (3x - 0.5) · 2 / 0.5 + 1 = 12x - 1
        CollectionAssert.AreEqual(
            new[] { -1f, 11, 23, 35 },
            Ort.Run(graph.Model, ("x", [0, 1, 2, 3], [1, 1, 2, 2]))["y"]
        );
    }

    /// <summary>Weights that are stored in 8 bits, by channel: layers all the same.</summary>
    [TestMethod]
    public void Of_WeightsIn8Bits_AreRestored()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 1, 2, 2])
            .Initializer(
                new TensorProto
                {
                    Name = "stored",
                    DataType = (int)DataType.Int8,
                    Dims = { 2, 1, 1, 1 },
                    RawData = Google.Protobuf.ByteString.CopyFrom(3, 0xFE),
                }
            )
            .Initializer("steps", [0.5f, 2f], 2)
            .Node("DequantizeLinear", ["stored", "steps"], ["w"], Attributes.Of("axis", 0L))
            .Node("Conv", ["x", "w"], ["y"])
            .Output("y", ["N", 2, 2, 2])
            .Build();
        QuantizableGraph graph = QuantizableGraph.Of(model);
        Assert.AreEqual(2, graph.Layers.Single().WeightCount);
        CollectionAssert.AreEqual(
            new[] { 0f, 1.5f, 3, 4.5f, 0, -4, -8, -12 },
            Ort.Run(graph.Model, ("x", [0, 1, 2, 3], [1, 1, 2, 2]))["y"],
            "3 steps of 0.5, and -2 of 2"
        );
    }

    /// <summary>A network that computes in float16 behind a cast, in each place where a type is stated.</summary>
    [TestMethod]
    public void Of_Float16_BecomesFloat32()
    {
        OnnxModel half = Residual().ToHalfPrecision();
        Assert.IsTrue(half.Initializers.Any(i => i.DataType == (int)DataType.Float16), "the case is one");
        QuantizableGraph found = QuantizableGraph.Of(half),
            single = QuantizableGraph.Of(Residual());
        CollectionAssert.AreEqual(
            single.Layers.Select(l => l.WeightCount).ToArray(),
            found.Layers.Select(l => l.WeightCount).ToArray()
        );
        Assert.IsFalse(found.Model.Initializers.Any(i => i.DataType == (int)DataType.Float16));
        Assert.IsFalse(
            found.Model.Nodes.Any(n => n.OpType == "Cast" && n.Output[0] != "y"),
            "no cast stands between two layers; one may give the output its name"
        );
        float[] x = [.. Enumerable.Range(0, 16).Select(i => i / 16f)];
        Assert.AreEqual(
            Ort.Run(single.Model, ("x", x, [1, 1, 4, 4]))["y"][0],
            Ort.Run(found.Model, ("x", x, [1, 1, 4, 4]))["y"][0],
            "halves and quarters are numbers of float16"
        );
    }

    [TestMethod]
    public void Quantize_ResidualAndPools_RunOnBytesAndWhatFollowsStaysInFloat()
    {
        OnnxModel model = Residual();
        QuantizableGraph graph = QuantizableGraph.Of(model);
        CollectionAssert.AreEqual(new[] { "first", "second", "third" }, graph.Layers.Select(l => l.Name).ToArray());
        CollectionAssert.AreEquivalent(
            new[] { "x", "a", "b", "sum", "pooled", "c" },
            graph.Activations.ToArray(),
            "not the global pool, nor what follows it"
        );
        OnnxModel quantized = graph.Quantize(graph.Activations.ToDictionary(t => t, _ => new ValueRange(0, 4)));
        Assert.AreEqual("c/dequantized", quantized.Nodes.Single(n => n.OpType == "GlobalAveragePool").Input[0]);
        Assert.AreEqual(
            1,
            quantized.Nodes.Count(n => n.OpType == "Relu" && n.Output[0] == "y"),
            "the Relu after the pool stays"
        );
        float[] x = [.. Enumerable.Range(0, 16).Select(i => i / 16f)];
        float expected = Ort.Run(model, ("x", x, [1, 1, 4, 4]))["y"][0];
        Assert.AreEqual(
            expected,
            Ort.Run(quantized, true, ("x", x, [1, 1, 4, 4]))["y"][0],
            3 * 4 / 255.0,
            "four tensors in steps of 4/255"
        );
    }

    [TestMethod]
    public void Quantize_MaxPool_TakesTheRangeOfItsInput()
    {
        QuantizableGraph graph = QuantizableGraph.Of(Residual());
        Dictionary<string, ValueRange> ranges = graph.Activations.ToDictionary(t => t, _ => new ValueRange(0, 4));
        ranges["pooled"] = new ValueRange(0, 1);
        OnnxModel quantized = graph.Quantize(ranges);
        Assert.AreEqual(4f / 255, TensorData.ToFloats(Initializer(quantized, "pooled/scale"))[0]);
    }

    [TestMethod]
    public void Quantize_LayersInFloat_KeepTheirWeights()
    {
        QuantizableGraph graph = QuantizableGraph.Of(Residual());
        Dictionary<string, ValueRange> ranges = graph.Activations.ToDictionary(t => t, _ => new ValueRange(0, 4));
        OnnxModel quantized = graph.Quantize(ranges, new HashSet<string> { "second" });
        Assert.AreEqual(
            (int)DataType.Float,
            Initializer(quantized, quantized.Nodes.Single(n => n.Name == "second").Input[1]).DataType
        );
        OnnxModel none = graph.Quantize(ranges, graph.Layers.Select(l => l.Name).ToHashSet());
        CollectionAssert.AreEqual(graph.Model.ToBytes(), none.ToBytes(), "all in float is the float model");
        foreach (QuantizableLayer layer in graph.Layers)
        {
            HashSet<string> others = [.. graph.Layers.Select(l => l.Name).Where(n => n != layer.Name)];
            OnnxModel one = graph.Quantize(ranges, others);
            Assert.AreEqual(
                1,
                one.Initializers.Count(i =>
                    i.DataType == (int)DataType.Int8 && i.Name.EndsWith("/weight", StringComparison.Ordinal)
                )
            );
            Ort.Run(one, true, ("x", new float[16], [1, 1, 4, 4]));
        }
    }

    [TestMethod]
    public void Quantize_Twice_GivesTheSameBytes()
    {
        QuantizableGraph first = QuantizableGraph.Of(Residual()),
            second = QuantizableGraph.Of(Residual());
        Dictionary<string, ValueRange> ranges = first.Activations.ToDictionary(t => t, _ => new ValueRange(0, 4));
        CollectionAssert.AreEqual(first.Quantize(ranges).ToBytes(), second.Quantize(ranges).ToBytes());
    }

    [TestMethod]
    public void Quantize_Result_IsWrittenForOperatorSet13AndKeepsMetadata()
    {
        OnnxModel old = new GraphBuilder()
            .Input("x", ["N", 2, 2, 2])
            .Initializer("w", [1f, 2, 3, 4], 2, 2, 1, 1)
            .Node("Conv", ["x", "w"], ["y"])
            .Output("y", ["N", 2, 2, 2])
            .Build(opset: 11)
            .WithMetadata("key", "value");
        QuantizableGraph graph = QuantizableGraph.Of(old);
        OnnxModel quantized = graph.Quantize(Ranges(("x", 0, 1), ("y", 0, 1)));
        Assert.AreEqual(13, quantized.OpsetVersion());
        Assert.AreEqual("value", quantized.Metadata["key"]);
        CollectionAssert.AreEqual(new[] { "" }, quantized.ToProto().OpsetImport.Select(o => o.Domain).ToArray());
    }

    [TestMethod]
    public void Quantize_WrongCalls_SayWhatIsMissing()
    {
        QuantizableGraph graph = QuantizableGraph.Of(Conv([1, 2, 3, 4], [0, 0], relu: false));
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => graph.Quantize(Ranges(("x", 0, 1)))).Message,
            "'y' has no range"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    graph.Quantize(Ranges(("x", 0, 1), ("y", 0, 1)), new HashSet<string> { "z" })
                )
                .Message,
            "no layer 'z'"
        );
        OnnxModel nothing = new GraphBuilder().Input("x", [2]).Node("Relu", ["x"], ["y"]).Output("y", [2]).Build();
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => QuantizableGraph.Of(nothing)).Message,
            "nothing to quantise"
        );
    }

    /// <summary>y = w x + b by 1 × 1 convolution of two channels into two, perhaps rectified.</summary>
    private static OnnxModel Conv(float[] weights, float[] bias, bool relu)
    {
        GraphBuilder builder = new GraphBuilder()
            .Input("x", ["N", 2, 2, 2])
            .Initializer("w", weights, 2, 2, 1, 1)
            .Initializer("b", bias, 2)
            .Node("Conv", ["x", "w", "b"], [relu ? "c" : "y"]);
        if (relu)
            builder.Node("Relu", ["c"], ["y"]);
        return builder.Output("y", ["N", 2, 2, 2]).Build();
    }

    /// <summary>
    /// x → first, Relu → a → second, Relu → b; a + b → sum → MaxPool → pooled → third → c → GlobalAveragePool → Relu →
    /// y.
    /// </summary>
    private static OnnxModel Residual() =>
        new GraphBuilder()
            .Input("x", ["N", 1, 4, 4])
            .Initializer("w1", [0.5f, -0.5f], 2, 1, 1, 1)
            .Initializer("b1", [0f, 1f], 2)
            .Initializer("w2", [1f, 0.5f, -1, 0.25f], 2, 2, 1, 1)
            .Initializer("w3", [1f, 1], 1, 2, 1, 1)
            .Node(Named("first", "Conv", ["x", "w1", "b1"], "a0"))
            .Node("Relu", ["a0"], ["a"])
            .Node(Named("second", "Conv", ["a", "w2"], "b0"))
            .Node("Relu", ["b0"], ["b"])
            .Node("Add", ["a", "b"], ["sum"])
            .Node(
                "MaxPool",
                ["sum"],
                ["pooled"],
                Attributes.Of("kernel_shape", [2, 2]),
                Attributes.Of("strides", [2, 2])
            )
            .Node(Named("third", "Conv", ["pooled", "w3"], "c"))
            .Node("GlobalAveragePool", ["c"], ["g"])
            .Node("Relu", ["g"], ["y"])
            .Output("y", ["N", 1, 1, 1])
            .Build();

    private static NodeProto Named(string name, string type, string[] inputs, string output)
    {
        NodeProto node = Models.Make(type, inputs, output);
        node.Name = name;
        return node;
    }

    private static NodeProto Clip(string input, string output) => Models.Make("Clip", [input, "low", "high"], output);

    private static Dictionary<string, ValueRange> Ranges(params (string Tensor, float Low, float High)[] ranges) =>
        ranges.ToDictionary(r => r.Tensor, r => new ValueRange(r.Low, r.High));

    private static TensorProto Initializer(OnnxModel model, string name) =>
        model.Initializers.Single(i => i.Name == name);
}
