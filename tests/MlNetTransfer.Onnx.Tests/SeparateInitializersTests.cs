using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Equal tensors that an exporter stored once.</summary>
[TestClass]
public sealed class SeparateInitializersTests
{
    private static readonly string[] First = ["scale", "zero", "zero", "scale"];

    [TestMethod]
    public void SeparateInitializers_OfTwoLayers_GivesEachItsOwn()
    {
        OnnxModel model = Network(["conv", "other"]),
            apart = model.SeparateInitializers();
        string[][] vectors =
        [
            .. apart.Nodes.Where(n => n.OpType == "BatchNormalization").Select(n => n.Input.Skip(1).ToArray()),
        ];
        Assert.HasCount(
            8,
            vectors.SelectMany(v => v).Distinct().ToArray(),
            "scale, shift, mean, variance of two layers"
        );
        Assert.AreEqual("scale", vectors[0][0], "the first keeps the name");
        Same(model, apart);
    }

    /// <summary>A network that sees two images by one layer has one kernel, and one normalisation.</summary>
    [TestMethod]
    public void SeparateInitializers_OfOneLayerRunTwice_StayOne()
    {
        OnnxModel apart = Network(["conv", "conv"]).SeparateInitializers();
        string[][] vectors =
        [
            .. apart.Nodes.Where(n => n.OpType == "BatchNormalization").Select(n => n.Input.Skip(1).ToArray()),
        ];
        CollectionAssert.AreEqual(vectors[0], vectors[1]);
        Assert.HasCount(4, vectors[0].Distinct().ToArray());
    }

    /// <summary>Names that a copy would have may be taken, by a tensor or an initializer.</summary>
    [TestMethod]
    public void SeparateInitializers_NameTaken_TakesTheNext()
    {
        OnnxModel model = new GraphBuilder("taken")
            .Input("x", ["N", 2])
            .Initializer("w", [1f, 2, 3, 4], 2, 2)
            .Initializer("v", [4f, 3, 2, 1], 2, 2)
            .Initializer("zero", [0f, 0], 2)
            .Initializer("zero__1", [5f, 6], 2)
            .Node("MatMul", ["x", "w"], ["a"])
            .Node("Add", ["a", "zero"], ["b"])
            .Node("Add", ["b", "zero__1"], ["c"])
            .Node("MatMul", ["c", "v"], ["d"])
            .Node("Add", ["zero", "d"], ["y"])
            .Output("y", ["N", 2])
            .Build();
        OnnxModel apart = model.SeparateInitializers();
        CollectionAssert.AreEqual(
            new[] { "a zero", "b zero__1", "zero__2 d" },
            apart.Nodes.Where(n => n.OpType == "Add").Select(n => string.Join(' ', n.Input)).ToArray()
        );
        CollectionAssert.AreEqual(
            Ort.Run(model, ("x", [1, 2], [1, 2]))["y"],
            Ort.Run(apart, ("x", [1, 2], [1, 2]))["y"]
        );
    }

    [TestMethod]
    public void SeparateInitializers_NothingShared_IsTheSameModel()
    {
        OnnxModel apart = Network(["conv", "other"]).SeparateInitializers();
        Assert.AreSame(apart, apart.SeparateInitializers());
    }

    [TestMethod]
    public void SeparateInitializers_IdentityOfAWeight_IsAWeight()
    {
        OnnxModel model = Network(
                ["conv", "alias"],
                new NodeProto
                {
                    OpType = "Identity",
                    Input = { "conv" },
                    Output = { "alias" },
                }
            ),
            apart = model.SeparateInitializers();
        CollectionAssert.Contains(apart.Initializers.Select(i => i.Name).ToArray(), "alias");
        Assert.DoesNotContain(n => n.OpType == "Identity", apart.Nodes);
        Same(model, apart);
    }

    private static void Same(OnnxModel expected, OnnxModel found)
    {
        float[] x = [.. Enumerable.Range(0, 32).Select(i => (float)Math.Sin(i))];
        CollectionAssert.AreEqual(
            Ort.Run(expected, ("x", x, [1, 2, 4, 4]))["y"],
            Ort.Run(found, ("x", x, [1, 2, 4, 4]))["y"]
        );
    }

    /// <summary>Two convolutions, each with a normalisation whose four vectors are two initializers.</summary>
    private static OnnxModel Network(string[] kernels, NodeProto? before = null)
    {
        float[] values = [.. Enumerable.Range(0, 4).Select(i => i * 0.5f - 1)];
        GraphBuilder graph = new GraphBuilder("shared")
            .Input("x", ["N", 2, 4, 4])
            .Initializer("conv", values, 2, 2, 1, 1)
            .Initializer("scale", [1f, 1], 2)
            .Initializer("zero", [0f, 0], 2);
        if (kernels[1] == "other")
            graph.Initializer("other", [.. values.Reverse()], 2, 2, 1, 1);
        if (before is not null)
            graph.Node(before);
        string at = "x";
        for (int i = 0; i < 2; i++)
        {
            graph.Node(Models.Make("Conv", [at, kernels[i]], $"c{i}"));
            at = i == 1 ? "y" : $"n{i}";
            graph.Node(Models.Make("BatchNormalization", [$"c{i}", .. First], at));
        }

        return graph.Output("y", ["N", 2, 4, 4]).Build();
    }
}
