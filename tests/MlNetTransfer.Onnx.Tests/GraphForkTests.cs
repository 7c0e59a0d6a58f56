using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Oracle: the model with the old weights and with the new ones, each run alone.</summary>
[TestClass]
public sealed class GraphForkTests
{
    private static readonly float[] X = [1, -2, 0.25f];

    /// <summary>low = x · a; mid = low + b; high = relu(mid) · low.</summary>
    private static OnnxModel Network() =>
        new GraphBuilder()
            .Input("x", ["N", 3])
            .Initializer("a", [1f, 2, 3], 3)
            .Initializer("b", [0.5f, 5, -1], 3)
            .Node("Mul", ["x", "a"], ["low"])
            .Node("Add", ["low", "b"], ["mid"])
            .Node("Relu", ["mid"], ["relu"])
            .Node("Mul", ["relu", "low"], ["high"])
            .Output("high", ["N", 3])
            .Build(13);

    private static float[] Run(OnnxModel model, string tensor) =>
        Ort.Run(model.CutAt(tensor), ("x", X, [1, 3]))[tensor];

    [TestMethod]
    public void Of_WeightInTheMiddle_HasBothAboveItAndOneBelow()
    {
        OnnxModel before = Network();
        Dictionary<string, float[]> weights = new() { ["b"] = [3, 4, 0.5f] };
        GraphFork fork = GraphFork.Of(before, weights, "old/");
        CollectionAssert.AreEqual(Run(before, "high"), Run(fork.Model, fork.Names["high"]));
        CollectionAssert.AreEqual(Run(before, "mid"), Run(fork.Model, fork.Names["mid"]));
        CollectionAssert.AreEqual(Run(before.WithInitializers(weights), "high"), Run(fork.Model, "high"));
        CollectionAssert.AreNotEqual(Run(before, "high"), Run(fork.Model, "high"));
        Assert.IsFalse(fork.Names.ContainsKey("low"), "no changed weight reaches it");
        Assert.HasCount(1 + 3 + 3, fork.Model.Nodes);
        CollectionAssert.AreEquivalent(
            (string[])["a", "b", "old/b"],
            fork.Model.Initializers.Select(i => i.Name).ToArray()
        );
        Assert.HasCount(4, before.Nodes, "the model itself is not changed");
    }

    [TestMethod]
    public void Of_NamesThatAreTaken_GetsOthers()
    {
        OnnxModel network = Network().RenameTensor("mid", "old/high");
        GraphFork fork = GraphFork.Of(network, new Dictionary<string, float[]> { ["b"] = [0, 0, 0] }, "old/");
        Assert.AreNotEqual("old/high", fork.Names["high"]);
        CollectionAssert.AreEqual(Run(network, "high"), Run(fork.Model, fork.Names["high"]));
        CollectionAssert.AllItemsAreUnique(fork.Model.Nodes.SelectMany(n => n.Output).ToArray());
    }

    [TestMethod]
    public void Of_NothingChanged_IsTheModel()
    {
        GraphFork fork = GraphFork.Of(Network(), new Dictionary<string, float[]>(), "old/");
        Assert.IsEmpty(fork.Names);
        CollectionAssert.AreEqual(Network().ToBytes(), fork.Model.ToBytes());
    }
}
