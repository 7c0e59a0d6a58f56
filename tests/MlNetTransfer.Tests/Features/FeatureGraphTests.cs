using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Features;

[TestClass]
public sealed class FeatureGraphTests
{
    /// <summary>
    /// image [N, 3, 4, 4] → doubled map "features" (a name that the graph wants for itself) → pooled row "row".
    /// </summary>
    private static readonly OnnxModel Net = new GraphBuilder()
        .Input("image", ["N", 3, 4, 4])
        .Initializer("two", [2f], 1)
        .Node("Mul", ["image", "two"], ["features"])
        .Node("GlobalAveragePool", ["features"], ["pooled"])
        .Node("Flatten", ["pooled"], ["row"], Attributes.Of("axis", 1))
        .Node("Unsqueeze", ["row", "axis"], ["cube"])
        .Initializer("axis", [1L], 1)
        .Output("row", ["N", 3])
        .Output("cube", ["N", 1, 3])
        .Build();

    private static readonly float[] Image = [.. Enumerable.Range(0, 48).Select(i => (float)i)];

    // Channel c holds 16c .. 16c + 15, whose mean is 16c + 7.5.
    private static readonly float[] Means = [7.5f, 23.5f, 39.5f];

    [TestMethod]
    public void Build_Map_AveragesEachChannel() => Compute([15, 47, 79], "features");

    [TestMethod]
    public void Build_Row_TakesItAsItIs() => Compute([15, 47, 79], "row");

    [TestMethod]
    public void Build_SeveralTaps_StandSideBySideInTheOrderAsked() =>
        Compute([15, 47, 79, .. Means, 15, 47, 79], "row", "image", "features");

    [TestMethod]
    public void Build_TensorOfAnotherRank_NamesItAndItsShape()
    {
        var e = Assert.ThrowsExactly<TransferException>(() => FeatureGraph.Build(Net, "cube"));
        StringAssert.Contains(e.Message, "'cube'");
    }

    [TestMethod]
    public void Build_UnknownTensor_SuggestsNearNames() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => FeatureGraph.Build(Net, "rows")).Message,
            "row"
        );

    private static void Compute(float[] expected, params string[] taps)
    {
        OnnxModel graph = FeatureGraph.Build(Net, taps);
        Assert.AreEqual(FeatureGraph.Output, graph.Outputs.Single().Name);
        float[] found = Ort.Run(graph, ("image", Image, [1, 3, 4, 4]))[FeatureGraph.Output];
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-4f, "sums of 16 small integers in float32");
    }

    /// <summary>
    /// Features must not depend on how many workers share the images, so not on what runs beside an image: bit for bit.
    /// </summary>
    [TestMethod]
    public void ImagesPerRun_ResNet18_GivesTheSameBitsAsOneByOne()
    {
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open("resnet18");
        OnnxModel features = FeatureGraph.Build(backbone.LoadModel(), [.. backbone.Card.Taps.Select(t => t.Tensor)]);
        Assert.AreEqual(4, FeatureGraph.ItemsPerRun(features));
        DataItem[] items =
        [
            .. Directory
                .GetFiles(Repository.At("data-samples/clipart/fruit"))
                .Order(StringComparer.Ordinal)
                .Take(7)
                .Select(f => new DataItem(f, f)),
        ];
        float[][] found =
        [
            .. new[] { 1, 4 }.Select(together =>
            {
                using var graph = new ItemGraph(
                    features.ToBytes(),
                    FeatureGraph.Output,
                    backbone.Card.Encoder,
                    plan: new ExecutionPlan { Workers = 1 },
                    itemsPerRun: together
                );
                return new ItemRunner(graph).Run(items, "features").Values;
            }),
        ];
        CollectionAssert.AreEqual(found[0], found[1]);
    }

    [TestMethod]
    public void ImagesPerRun_SmallNetworkOrAMatrixProduct_IsOne()
    {
        OnnxModel Rows(int width, string product) =>
            new GraphBuilder()
                .Input("image", ["N", 3, 4, 4])
                .Node("Flatten", ["image"], ["x"], Attributes.Of("axis", 1))
                .Initializer("w", new float[48 * width], 48, width)
                .Node(product, product == "Add" ? ["x", "x"] : ["x", "w"], ["y"])
                .Output("y", ["N", product == "Add" ? 48 : width])
                .Build();
        Assert.AreEqual(1, FeatureGraph.ItemsPerRun(Rows(2, "Add")));
        Assert.AreEqual(1, FeatureGraph.ItemsPerRun(Rows(200_000, "MatMul")));
        Assert.AreEqual(4, FeatureGraph.ItemsPerRun(Rows(200_000, "Add")));
    }
}
