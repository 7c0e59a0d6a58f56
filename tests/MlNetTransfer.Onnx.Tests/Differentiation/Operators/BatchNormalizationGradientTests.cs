using MlNetTransfer.Onnx.Differentiation;
using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class BatchNormalizationGradientTests
{
    private static readonly Dictionary<string, float[]> Variance = new() { ["v"] = [0.5f, 2, 1, 0] };

    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node(
                "inference",
                "BatchNormalization",
                "F.batch_norm(x, m, v, s, b, eps=1e-3)",
                ["x:3,4,5,2", "s:4", "b:4", "m:4", "v:4"],
                Attributes.Of("epsilon", 1e-3f)
            ) with
            {
                Values = Variance,
                Wanted = ["x", "s", "b"],
            },
            Node(
                "inference on [N, C]",
                "BatchNormalization",
                "F.batch_norm(x, m, v, s, b)",
                ["x:3,4", "s:4", "b:4", "m:4", "v:4"]
            ) with
            {
                Values = new Dictionary<string, float[]> { ["v"] = [0.5f, 2, 1, 0.1f] },
                Wanted = ["x", "s", "b"],
            },
            OfTheBatch("of the batch", "F.batch_norm(x, m, v, s, b, training=True)", "x:3,4,5,2", ["x", "s", "b"]),
            OfTheBatch("of the batch, input only", "F.batch_norm(x, m, v, s, b, training=True)", "x:3,4,5", ["x"]),
            Folded("conv and norm", bias: false),
            Folded("conv with bias and norm", bias: true),
            Folded("conv of more weights than outputs and norm", bias: false, "x:2,40,2,3", "w:3,40,3,3"),
            Folded("conv of more weights than outputs, with bias, and norm", bias: true, "x:2,40,2,3", "w:3,40,3,3")
        );

    /// <summary>
    /// 1080 weights against 36 outputs of one image of 3 maps of 4 x 3: passes over the weights cost more. With 100
    /// images it is the other way round.
    /// </summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(100, 0)]
    public void Fold_MoreWeightsThanOutputs_StaysAsItIs(int batch, int expected)
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 40, 4, 3])
            .Initializer("w", new float[1080], 3, 40, 3, 3)
            .Initializer("s", [1f, 1, 1], 3)
            .Initializer("b", [0f, 0, 0], 3)
            .Initializer("m", [0f, 0, 0], 3)
            .Initializer("v", [1f, 1, 1], 3)
            .Node("Conv", ["x", "w"], ["h"], Attributes.Of("pads", [1, 1, 1, 1]))
            .Node("BatchNormalization", ["h", "s", "b", "m", "v"], ["y"])
            .Output("y", [])
            .Build();
        Assert.AreEqual(
            expected,
            Differentiator
                .VectorJacobianProduct(model, "y", ["w"], batch)
                .Nodes.Count(n => n.OpType == "BatchNormalization")
        );
    }

    private static GradientCase OfTheBatch(string name, string torch, string x, string[] wanted) =>
        Graph(
            name,
            torch,
            [x, "s:4", "b:4", "m:4", "v:4"],
            g =>
                g.Node(
                    "BatchNormalization",
                    ["x", "s", "b", "m", "v"],
                    ["y", "mean", "variance"],
                    Attributes.Of("training_mode", 1),
                    Attributes.Of("momentum", 0f)
                )
        ) with
        {
            Wanted = wanted,
            Values = Variance,
        };

    /// <summary>Statistics are read when the graph is made, so the case declares them itself.</summary>
    private static GradientCase Folded(string name, bool bias, string x = "x:2,3,5,4", string w = "w:3,3,3,3") =>
        Graph(
            name,
            $"F.batch_norm(F.conv2d(x, w, {(bias ? "c" : "None")}, padding=1), torch.tensor([0.5, -1, 0]).double(), "
                + $"torch.tensor([0.5, 2, 1]).double(), s, b)",
            [x, w, "s:3", "b:3", .. bias ? new[] { "c:3" } : []],
            g =>
                g.Initializer("m", [0.5f, -1, 0], 3)
                    .Initializer("v", [0.5f, 2, 1], 3)
                    .Node("Conv", bias ? ["x", "w", "c"] : ["x", "w"], ["h"], Attributes.Of("pads", [1, 1, 1, 1]))
                    .Node("BatchNormalization", ["h", "s", "b", "m", "v"], ["y"])
        );
}
