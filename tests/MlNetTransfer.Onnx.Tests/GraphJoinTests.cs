using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Oracle: the two models run one after the other.</summary>
[TestClass]
public sealed class GraphJoinTests
{
    /// <summary>Both use the names a and y, and different operator sets.</summary>
    [TestMethod]
    public void After_ModelsOfEqualNames_ComputesWhatBothCompute()
    {
        OnnxModel first = new GraphBuilder()
            .Input("x", ["N", 3])
            .Initializer("a", [1f, 2, 3], 3)
            .Node("Mul", ["x", "a"], ["y"])
            .Output("y", ["N", 3])
            .Build(8);
        OnnxModel second = new GraphBuilder()
            .Input("x", ["N", 3])
            .Initializer("a", [0.5f], 1)
            .Node("Add", ["x", "a"], ["s"])
            .Node("Relu", ["s"], ["y"])
            .Output("y", ["N", 3])
            .Build(13);
        OnnxModel joined = second.After(first);
        Assert.AreEqual(13, joined.OpsetVersion());
        float[] x = [1, -2, 0.25f];
        float[] between = Ort.Run(first, ("x", x, [1, 3]))["y"];
        CollectionAssert.AreEqual(
            Ort.Run(second, ("x", between, [1, 3]))["y"],
            Ort.Run(joined, (joined.Inputs.Single().Name, x, [1, 3]))["y"]
        );
    }

    [TestMethod]
    public void After_SeveralOutputs_AreRefused()
    {
        OnnxModel two = new GraphBuilder()
            .Input("x", ["N"])
            .Node("Relu", ["x"], ["a"])
            .Node("Neg", ["x"], ["b"])
            .Output("a", ["N"])
            .Output("b", ["N"])
            .Build();
        OnnxModel one = new GraphBuilder().Input("x", ["N"]).Node("Relu", ["x"], ["y"]).Output("y", ["N"]).Build();
        Assert.Contains("2 and 1", Assert.ThrowsExactly<GraphException>(() => one.After(two)).Message);
    }
}
