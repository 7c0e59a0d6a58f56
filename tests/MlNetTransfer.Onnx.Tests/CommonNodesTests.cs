using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Equal nodes and weights once. Oracle: the bits that ONNX Runtime gives for the model as it was.</summary>
[TestClass]
public sealed class CommonNodesTests
{
    [TestMethod]
    public void Merge_ModelBesideItself_IsTheModel()
    {
        OnnxModel one = Models.Chain().CutAt("y"),
            two = GraphUnion.Of([("a/", one), ("b/", one)], 13);
        NodeProto concat = Models.Make("Concat", ["a/y", "b/y"], "both");
        concat.Attribute.Add(Attributes.Of("axis", 1));
        OnnxModel joint = CommonNodes.Merge(
            two.Append([concat]).CutAt("both"),
            new Dictionary<string, string> { ["b/x"] = "a/x" }
        );
        CollectionAssert.AreEqual(
            new[] { "Mul", "Add", "Relu", "Concat" },
            joint.Nodes.Select(node => node.OpType).ToArray()
        );
        CollectionAssert.AreEqual(new[] { "a/two", "a/one" }, joint.Initializers.Select(i => i.Name).ToArray());
        float[] x = [1, 2, -3, 4];
        float[] y = Ort.Run(one, ("x", x, [2, 2]))["y"],
            found = Ort.Run(joint, ("a/x", x, [2, 2]))["both"];
        CollectionAssert.AreEqual(new[] { y[0], y[1], y[0], y[1], y[2], y[3], y[2], y[3] }, found);
    }

    [TestMethod]
    public void Merge_WhatDiffersOrIsRandomOrIsAnOutput_Stays()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", [2f])
            .Initializer("same", [2f])
            .Initializer("shaped", [2f], 1, 1)
            .Node("Mul", ["x", "w"], ["a"])
            .Node("Mul", ["x", "same"], ["y"])
            .Node("Mul", ["x", "shaped"], ["b"])
            .Node("Mul", ["w", "x"], ["c"])
            .Node("LeakyRelu", ["a"], ["d"], Attributes.Of("alpha", 0.1f))
            .Node("LeakyRelu", ["a"], ["e"], Attributes.Of("alpha", 0.2f))
            .Node("LeakyRelu", ["y"], ["f"], Attributes.Of("alpha", 0.2f))
            .Node("RandomNormal", [], ["g"], Attributes.Of("shape", [2L]))
            .Node("RandomNormal", [], ["h"], Attributes.Of("shape", [2L]))
            .Node("Sum", ["a", "b", "c", "d", "e", "f", "g", "h"], ["z"])
            .Output("y", ["N", 2])
            .Output("z", ["N", 2])
            .Build();
        OnnxModel merged = CommonNodes.Merge(model, new Dictionary<string, string>());
        CollectionAssert.AreEqual(
            new[] { "a", "y", "b", "c", "d", "e", "g", "h", "z" },
            merged.Nodes.Select(node => node.Output[0]).ToArray()
        );
        CollectionAssert.AreEqual(new[] { "a", "b", "c", "d", "e", "e", "g", "h" }, merged.Nodes[^1].Input.ToArray());
        Assert.AreEqual("a", merged.Nodes[5].Input[0], "users of an output that is made again take the first");
        CollectionAssert.AreEqual(new[] { "w", "shaped" }, merged.Initializers.Select(i => i.Name).ToArray());
    }

    [TestMethod]
    public void Merge_WhatSubgraphsCapture_IsRenamedThere()
    {
        OnnxModel one = Models.Capturing(),
            two = GraphUnion.Of([("a/", one), ("b/", one)], 13);
        OnnxModel joint = CommonNodes.Merge(
            two.Append([Models.Make("Sub", ["a/z", "b/z"], "nothing")]).CutAt("nothing"),
            new Dictionary<string, string> { ["b/x"] = "a/x" }
        );
        Assert.IsFalse(joint.Initializers.Any(i => i.Name.StartsWith("b/", StringComparison.Ordinal)));
        foreach (float[] x in new[] { new[] { 1f, 2 }, new[] { -1f, -2 } })
            CollectionAssert.AreEqual(new[] { 0f, 0 }, Ort.Run(joint, ("a/x", x, [2]))["nothing"]);
    }
}
