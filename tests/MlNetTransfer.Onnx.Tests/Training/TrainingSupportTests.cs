using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx.Tests.Training;

[TestClass]
public sealed class TrainingSupportTests
{
    /// <summary>a → Det-like barrier → c → y, and b beside the barrier.</summary>
    private static OnnxModel Barrier() =>
        new GraphBuilder()
            .Input("x", ["N", 4])
            .Initializer("a", [1f, 2, 3, 4], 4)
            .Initializer("b", [1f, 2, 3, 4], 4)
            .Initializer("c", [1f, 2, 3, 4], 4)
            .Node("Mul", ["x", "a"], ["h"])
            .Node("CumSum", ["h", "axis"], ["s"])
            .Initializer("axis", [1L], 1)
            .Node("Hardmax", ["s"], ["m"])
            .Node("Mul", ["x", "b"], ["side"])
            .Node("Sum", ["m", "side", "c"], ["y"])
            .Output("y", ["N", 4])
            .Build();

    [TestMethod]
    public void Missing_NodesWithoutGradient_AreListedFromTheOutputDown()
    {
        IReadOnlyList<UnsupportedNode> missing = TrainingSupport.Missing(Barrier(), "y", ["a", "b", "c"]);
        CollectionAssert.AreEqual(new[] { "Hardmax", "CumSum" }, missing.Select(m => m.Operator).ToArray());
        foreach (UnsupportedNode node in missing)
        {
            CollectionAssert.AreEqual(new[] { "a" }, node.Parameters.ToArray());
            Assert.Contains(
                $"{node.Operator} node '{node.Node}' lies between the parameters to train and the loss",
                node.Message
            );
            Assert.Contains("Freeze every parameter up to", node.Message);
        }
    }

    [TestMethod]
    public void Trainable_ParametersBesideABarrier_AreKept() =>
        CollectionAssert.AreEqual(
            new[] { "c", "b" },
            TrainingSupport.Trainable(Barrier(), "y", ["c", "a", "b"]).ToArray()
        );

    [TestMethod]
    public void Missing_BarrierBelowAllParameters_IsFine() =>
        Assert.IsEmpty(TrainingSupport.Missing(Barrier(), "y", ["b", "c"]));

    [TestMethod]
    public void Missing_UnsupportedForm_IsNamed()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 1, 4, 4])
            .Initializer("w", [1f], 1)
            .Initializer("sizes", [1L, 1, 8, 8], 4)
            .Node("Mul", ["x", "w"], ["h"])
            .Node(
                "Resize",
                ["h", "", "", "sizes"],
                ["y"],
                Attributes.Of("mode", "linear"),
                Attributes.Of("coordinate_transformation_mode", "half_pixel_symmetric")
            )
            .Output("y", ["N", 1, 8, 8])
            .Build(opset: 19);
        UnsupportedNode missing = TrainingSupport.Missing(model, "y", ["w"]).Single();
        Assert.Contains(
            "Resize has no gradient here with coordinate_transformation_mode 'half_pixel_symmetric'",
            missing.Message
        );
    }

    [TestMethod]
    public void Missing_UnknownParameter_NamesNearOnes()
    {
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            TrainingSupport.Missing(Barrier(), "y", ["bb"])
        );
        Assert.Contains("'bb'", error.Message);
    }
}
