using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

[TestClass]
public sealed class ShapeArithmeticTests
{
    /// <summary>
    /// x.view(x.shape[0], -1, 2) and x.new_zeros(...).expand, as PyTorch exports them: Shape, Gather, Unsqueeze,
    /// Concat, ConstantOfShape, Equal, Where, Range, Cast.
    /// </summary>
    private static OnnxModel Exported() =>
        new GraphBuilder()
            .Input("x", ["N", 4, 6])
            .Initializer("w", [2f, 3], 2)
            .Node("Relu", ["x"], ["r"])
            .Node("Shape", ["r"], ["shape"])
            .Initializer("zero", [0L])
            .Initializer("axis", [0L], 1)
            .Initializer("rest", [-1L, 2], 2)
            .Node("Gather", ["shape", "zero"], ["n"])
            .Node("Unsqueeze", ["n", "axis"], ["n1"])
            .Node("Concat", ["n1", "rest"], ["target"], Attributes.Of("axis", 0))
            .Node("Reshape", ["r", "target"], ["v"])
            .Initializer("three", [3L], 1)
            .Node("ConstantOfShape", ["three"], ["ones"], Attributes.Of("value", TensorData.Longs("", [1], 1)))
            .Initializer("minus", [-1L], 1)
            .Node("Mul", ["ones", "minus"], ["unknown"])
            .Initializer("asked", [-1L, 12, 2], 3)
            .Node("Equal", ["asked", "unknown"], ["open"])
            .Node("Where", ["open", "ones", "asked"], ["full"])
            .Node("Expand", ["w", "full"], ["e"])
            .Node("Size", ["n1"], ["one"])
            .Node("Range", ["zero", "one", "one"], ["range"])
            .Node("Cast", ["range"], ["f"], Attributes.Of("to", 1))
            .Node("Add", ["e", "f"], ["e0"])
            .Node("Mul", ["v", "e0"], ["y"])
            .Output("y", [])
            .Build();

    [TestMethod]
    public void Fold_ExportedArithmetic_LeavesConstantsAndComputesTheSame()
    {
        OnnxModel folded = ShapeArithmetic.Fold(Exported(), 3, ["w"]);
        CollectionAssert.AreEquivalent(
            new[] { "Relu", "Reshape", "Expand", "Add", "Mul" },
            folded.Nodes.Select(n => n.OpType).ToArray()
        );
        CollectionAssert.AreEqual(
            new long[] { 3, -1, 2 },
            TensorData.ToLongs(folded.Initializers.First(i => i.Name == "target"))
        );
        float[] x = GradientCase.Draw("x", [3, 4, 6]);
        CollectionAssert.AreEqual(
            Ort.Run(Exported(), ("x", x, [3, 4, 6]))["y"],
            Ort.Run(folded, ("x", x, [3, 4, 6]))["y"]
        );
    }

    [TestMethod]
    public void Fold_TrainedTensor_IsNoConstant()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", [2f, 3], 2)
            .Initializer("c", [2f, 3], 2)
            .Node("Exp", ["w"], ["ew"])
            .Node("Exp", ["c"], ["ec"])
            .Node("Sum", ["x", "ew", "ec"], ["y"])
            .Output("y", [])
            .Build();
        OnnxModel folded = ShapeArithmetic.Fold(model, 1, ["w"]);
        CollectionAssert.AreEquivalent(new[] { "Exp", "Sum" }, folded.Nodes.Select(n => n.OpType).ToArray());
        Assert.IsTrue(folded.Initializers.Any(i => i.Name == "ec"));
    }

    [TestMethod]
    public void Fold_PlainModel_IsLeft()
    {
        OnnxModel model = new GraphBuilder().Input("x", ["N", 2]).Node("Relu", ["x"], ["y"]).Output("y", []).Build();
        Assert.HasCount(1, ShapeArithmetic.Fold(model, 2, []).Nodes);
    }
}
