using MlNetTransfer.Onnx.Kernels;

namespace MlNetTransfer.Onnx.Tests.Kernels;

/// <summary>What the pass leaves as it is.</summary>
[TestClass]
public sealed class KernelLoweringTests
{
    private const int Channels = 3;

    /// <summary>With an output_shape the pads are ONNX Runtime's to find.</summary>
    [TestMethod]
    public void Apply_ConvTransposeOfAnOutputShape_LeavesIt()
    {
        OnnxModel Model(params long[] outputShape) =>
            new GraphBuilder()
                .Input("x", [1, Channels, 5, 5])
                .Input("w", [Channels, 1, 4, 4])
                .Node(
                    "ConvTranspose",
                    ["x", "w"],
                    ["y"],
                    [
                        Attributes.Of("group", Channels),
                        Attributes.Of("strides", [2L, 2]),
                        outputShape.Length > 0
                            ? Attributes.Of("output_shape", outputShape)
                            : Attributes.Of("pads", [1L, 1, 1, 1]),
                    ]
                )
                .Output("y", [1, Channels, 10, 10])
                .Build();
        Assert.AreEqual("ConvTranspose", Lowered(Model(10, 10)));
        Assert.AreEqual(DepthwiseInputGradient.Kind.Name, Lowered(Model()));
    }

    /// <summary>Each tap has its place on the stack of a thread.</summary>
    [TestMethod]
    public void Apply_ConvolutionOfManyTaps_LeavesIt()
    {
        OnnxModel Model(long taps) =>
            new GraphBuilder()
                .Input("x", [1, Channels, 40, 40])
                .Input("w", [Channels, 1, taps, taps])
                .Node("Conv", ["x", "w"], ["y"], [Attributes.Of("group", Channels)])
                .Output("y", [1, Channels, 41 - taps, 41 - taps])
                .Build();
        Assert.AreEqual("Conv", Lowered(Model(33)));
        Assert.AreEqual(DepthwiseConvolution.Kind.Name, Lowered(Model(32)));
    }

    /// <summary>An update overwrites what it reads, so its nodes keep their places.</summary>
    [TestMethod]
    public void Apply_NodesOfTheUpdate_StayAsTheyAre()
    {
        OnnxModel model = new GraphBuilder()
            .Input("w", [10_000])
            .Input("rate", [1])
            .Node("Mul", ["w", "w"], ["square"])
            .Node("Neg", ["square"], ["gradient"])
            .Node("Mul", ["gradient", "rate"], ["step"])
            .Node("Sub", ["w", "step"], ["y"])
            .Output("y", [10_000])
            .Build();
        CollectionAssert.AreEqual(
            new[] { Elementwise.Name, "Mul", "Sub" },
            KernelLowering
                .Apply(model, new HashSet<string> { "w" }, new HashSet<string> { "rate" })
                .Nodes.Select(n => n.OpType)
                .ToArray()
        );
        CollectionAssert.AreEqual(
            new[] { Elementwise.Name },
            KernelLowering
                .Apply(model, new HashSet<string> { "w" }, new HashSet<string>())
                .Nodes.Select(n => n.OpType)
                .ToArray()
        );
    }

    private static string Lowered(OnnxModel model) =>
        KernelLowering.Apply(model, new HashSet<string> { "x", "w" }, new HashSet<string>()).Nodes.Single().OpType;
}
