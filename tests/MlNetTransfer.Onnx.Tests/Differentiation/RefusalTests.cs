using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

/// <summary>Forms without a gradient: the message names the node, the form and what to freeze.</summary>
[TestClass]
public sealed class RefusalTests
{
    [TestMethod]
    [DataRow("a value that is trained", "Pad")]
    [DataRow("batch_dims other than 0", "GatherND")]
    [DataRow(
        "equation '...ij->...ji' (only one or two tensors, each label once per tensor, and no ellipsis)",
        "Einsum"
    )]
    [DataRow("antialias", "Resize")]
    [DataRow("input 'starts' computed in the graph (it must be a constant)", "Slice")]
    [DataRow("a mean or deviation that is used", "LayerNormalization")]
    public void VectorJacobianProduct_FormWithoutGradient_SaysWhich(string form, string operatorType)
    {
        GraphBuilder g = new GraphBuilder()
            .Input("x", ["N", 3, 4])
            .Initializer("w", [1f])
            .Initializer("one", [1f, 1, 1, 1], 4)
            .Node("Mul", ["x", "w"], ["h"]);
        g = operatorType switch
        {
            "Pad" => g.Initializer("pads", [0L, 1, 0, 0, 0, 0], 6).Node("Pad", ["h", "pads", "w"], ["y"]),
            "GatherND" => g.Initializer("i", [0L, 1], 2, 1)
                .Node("GatherND", ["h", "i"], ["y"], Attributes.Of("batch_dims", 1)),
            "Einsum" => g.Node("Einsum", ["h"], ["y"], Attributes.Of("equation", "...ij->...ji")),
            "Resize" => g.Initializer("s", [1f, 1, 0.5f], 3)
                .Node("Resize", ["h", "", "s"], ["y"], Attributes.Of("mode", "linear"), Attributes.Of("antialias", 1)),
            "Slice" => g.Initializer("ends", [3L], 1)
                .Initializer("axes", [1L], 1)
                .Node("ArgMax", ["x"], ["a"], Attributes.Of("keepdims", 0))
                .Node("ReduceMax", ["a"], ["m"], Attributes.Of("keepdims", 0))
                .Initializer("all", [1L], 1)
                .Node("Reshape", ["m", "all"], ["starts"])
                .Node("Slice", ["h", "starts", "ends", "axes"], ["y"]),
            _ => g.Node("LayerNormalization", ["h", "one"], ["n", "mean"]).Node("Mul", ["n", "mean"], ["y"]),
        };
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            Differentiator.VectorJacobianProduct(
                g.Output("y", []).Build(operatorType == "Resize" ? 18 : 17),
                "y",
                ["w"],
                2
            )
        );
        Assert.Contains($"{operatorType} node '", error.Message);
        Assert.Contains(
            $"{operatorType} has no gradient here with {form}. Freeze every parameter up to ",
            error.Message
        );
    }
}
