using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

[TestClass]
public sealed class NetworkBlocksTests
{
    [TestMethod]
    public void Find_ResidualNetwork_GivesUnitsAndChains()
    {
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(SmallNetwork.Build(), ["row"]);
        CollectionAssert.AreEqual(
            (string[])["pixels", "stem_relu", "one_relu", "down_relu"],
            blocks.Select(b => b.Start).ToArray()
        );
        CollectionAssert.AreEqual(
            (string[])["stem_relu", "one_relu", "down_relu", "row"],
            blocks.Select(b => b.End).ToArray()
        );
        CollectionAssert.AreEqual(
            (string[])["one_a.weight", "one_a.scale", "one_a.shift", "one_b.weight", "one_b.scale", "one_b.shift"],
            blocks[1].Parameters.ToArray(),
            "running statistics are no parameters"
        );
    }

    [TestMethod]
    public void Find_Chain_GroupsThreeLayers()
    {
        GraphBuilder graph = new GraphBuilder("chain").Input("x", ["N", 3, 8, 8]);
        for (int i = 0; i < 7; i++)
            graph
                .Initializer(RandomTensor.Of($"w{i}", i, 3, 3, 1, 1))
                .Node("Conv", [i == 0 ? "x" : $"r{i - 1}", $"w{i}"], [$"c{i}"])
                .Node("Relu", [$"c{i}"], [$"r{i}"]);
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(graph.Output("r6", ["N", 3, 8, 8]).Build(), ["r6"]);
        CollectionAssert.AreEqual(
            (string[])["w0,w1,w2", "w3,w4,w5", "w6"],
            blocks.Select(b => string.Join(',', b.Parameters)).ToArray()
        );
    }

    /// <summary>
    /// CNTK's ResNet-18 has nine residual units after the stem, and the mean image before it is no weight.
    /// </summary>
    [TestMethod]
    public void Find_ResNet_GivesItsResidualUnits()
    {
        using TempFolder cache = new();
        Backbone backbone = Restored.Open("resnet18", cache);
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(
            backbone.LoadModel(),
            [.. backbone.Card.Taps.Select(t => t.Tensor)]
        );
        Assert.HasCount(10, blocks);
        Assert.IsTrue(blocks.All(b => b.Parameters.Count > 0));
        CollectionAssert.DoesNotContain(blocks.SelectMany(b => b.Parameters).ToArray(), "MeanImage");
    }

    [TestMethod]
    [DataRow("mobilenet_v2", 18)]
    [DataRow("mobilenet_v2_140", 18)]
    public void Find_MobileNet_GivesItsInvertedResiduals(string id, int expected)
    {
        using TempFolder cache = new();
        Backbone backbone = Restored.Open(id, cache);
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(
            backbone.LoadModel(),
            [.. backbone.Card.Taps.Select(t => t.Tensor)]
        );
        // The stem with block 0, sixteen inverted residuals, and the last layer.
        Assert.HasCount(expected, blocks);
        string[] all = [.. blocks.SelectMany(b => b.Parameters)];
        Assert.HasCount(all.Length, all.Distinct());
        Assert.IsTrue(blocks.All(b => b.Parameters.Count > 0));
    }

    /// <summary>Oracle: ONNX Runtime on the graph that was not cut.</summary>
    [TestMethod]
    public void SplitAt_EveryBlock_GivesTheFeaturesOfTheWhole()
    {
        OnnxModel model = SmallNetwork.Build();
        string[] taps = ["stem_relu", "one_relu", "two_a_act", "row"];
        float[] images = TinyOnnx.Images(2),
            expected =
                Ort.Run(FeatureGraph.Build(model, taps), ("pixels", images, [2, 3, 16, 16]))[FeatureGraph.Output];
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(model, taps);
        foreach (NetworkBlock block in blocks)
        {
            SplitNetwork split = SplitNetwork.At(model, taps, block.End);
            float[] rows = Ort.Run(split.Prefix!, ("pixels", images, [2, 3, 16, 16]))[SplitNetwork.Boundary];
            Assert.HasCount(2 * split.RowLength, rows);
            float[] found = Ort.Run(split.Suffix, (split.Suffix.Inputs.Single().Name, rows, [2, split.RowLength]))[
                FeatureGraph.Output
            ];
            // Only the order of sums may differ, where a graph is fused otherwise.
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(
                    expected[i],
                    found[i],
                    1e-5f * (1 + MathF.Abs(expected[i])),
                    $"{block.End}, feature {i}"
                );
        }
    }

    [TestMethod]
    public void Find_TapThatAnotherPathReaches_IsNoCutPoint()
    {
        OnnxModel model = SmallNetwork.Build();
        model = model.Append([
            new()
            {
                OpType = "GlobalAveragePool",
                Input = { "stem_relu" },
                Output = { "early" },
            },
            new()
            {
                OpType = "GlobalAveragePool",
                Input = { "down_relu" },
                Output = { "late" },
            },
            new()
            {
                OpType = "Concat",
                Input = { "early", "late" },
                Output = { "mix" },
                Attribute = { Attributes.Of("axis", 1) },
            },
        ]);
        // one_relu and down_relu separate the image from the row, but not from the mix.
        CollectionAssert.AreEqual(
            (string[])["pixels", "stem_relu"],
            NetworkBlocks.Find(model, ["mix", "row"]).Select(b => b.Start).Take(2).ToArray()
        );
        Assert.IsFalse(NetworkBlocks.Find(model, ["mix", "row"]).Any(b => b.Start is "one_relu" or "down_relu"));
    }

    [TestMethod]
    public void Of_SharedWeight_BelongsToTheLowestBlock()
    {
        GraphBuilder graph = new GraphBuilder("tied")
            .Input("x", ["N", 3, 8, 8])
            .Initializer(RandomTensor.Of("w", 1, 3, 3, 1, 1));
        for (int i = 0; i < 4; i++)
            graph.Node("Conv", [i == 0 ? "x" : $"c{i - 1}", "w"], [$"c{i}"]);
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(graph.Output("c3", ["N", 3, 8, 8]).Build(), ["c3"]);
        Assert.HasCount(2, blocks);
        CollectionAssert.AreEqual((string[])["w"], blocks[0].Parameters.ToArray());
        Assert.IsEmpty(blocks[1].Parameters, "trained above a frozen prefix, it would change below");
    }
}
