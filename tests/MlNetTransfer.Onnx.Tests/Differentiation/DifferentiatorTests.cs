using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Differentiation.Operators;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

[TestClass]
public sealed class DifferentiatorTests
{
    [TestMethod]
    public void Index_TwoGradientsOfAnOperator_NamesOperatorAndBoth()
    {
        string message = Assert
            .ThrowsExactly<InvalidOperationException>(() =>
                OperatorGradients.Index([new AddGradient(), new AddGradient()])
            )
            .Message;
        StringAssert.Contains(message, "'Add' has two gradients, AddGradient and AddGradient");
    }

    /// <summary>
    /// Det has no gradient here. Below the trained weight it does not matter; above it, the error names the node and
    /// what to freeze.
    /// </summary>
    [TestMethod]
    public void VectorJacobianProduct_UnknownOperator_MattersOnlyAboveWhatIsTrained()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2, 2])
            .Initializer("early", [2f])
            .Initializer("late", [3f])
            .Node("Mul", ["x", "early"], ["a"])
            .Node("Det", ["a"], ["d"])
            .Node("Mul", ["d", "late"], ["y"])
            .Output("y", ["N"])
            .Build();
        OnnxModel late = Differentiator.VectorJacobianProduct(model, "y", ["late"], 1);
        Assert.AreEqual(
            4 * (1 * 4 - 2 * 3),
            Ort.Run(late, ("x", [1, 2, 3, 4], [1, 2, 2]), ("output_gradient", [1], [1]))["gradient_of/late"][0],
            1e-5
        );
        string message = Assert
            .ThrowsExactly<GraphException>(() => Differentiator.VectorJacobianProduct(model, "y", ["early", "late"], 1))
            .Message;
        StringAssert.Contains(message, "Det node 'd'");
        StringAssert.Contains(message, "Freeze every parameter up to 'd'");
    }

    [TestMethod]
    public void VectorJacobianProduct_OperatorOfAnotherDomain_IsNamed()
    {
        NodeProto gelu = new()
        {
            OpType = "Relu",
            Domain = "com.microsoft",
            Name = "g",
            Input = { "b" },
            Output = { "g" },
        };
        OnnxModel model = Models.Chain().WithOpset(1, "com.microsoft").With(p => p.Graph.Node.Add(gelu));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    Differentiator.VectorJacobianProduct(
                        model.With(p => p.Graph.Node[^1].OpType = "Gelu"),
                        "g",
                        ["two"],
                        1
                    )
                )
                .Message,
            "of domain 'com.microsoft'"
        );
    }

    [TestMethod]
    public void VectorJacobianProduct_BadNames_AreExplained()
    {
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    Differentiator.VectorJacobianProduct(Models.Chain(), "y", ["twoo"], 1)
                )
                .Message,
            "Near names: two"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() =>
                    Differentiator.VectorJacobianProduct(Models.Chain(), "yy", ["two"], 1)
                )
                .Message,
            "no tensor 'yy'"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => Differentiator.VectorJacobianProduct(Models.Chain(), "y", [], 1))
                .Message,
            "at least one"
        );
    }

    [TestMethod]
    public void VectorJacobianProduct_NoInfluence_IsRefused()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", [1f, 2], 2)
            .Node("Shape", ["w"], ["s"])
            .Node("Cast", ["s"], ["f"], Attributes.Of("to", 1))
            .Node("Mul", ["x", "f"], ["y"])
            .Output("y", ["N", 2])
            .Build();
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => Differentiator.VectorJacobianProduct(model, "y", ["w"], 1))
                .Message,
            "no influence"
        );
    }

    [TestMethod]
    public void VectorJacobianProduct_Float16Between_IsRefused()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2])
            .Initializer("w", [1f, 2], 2)
            .Node("Mul", ["x", "w"], ["a"])
            .Node("Cast", ["a"], ["h"], Attributes.Of("to", 10))
            .Node("Cast", ["h"], ["y"], Attributes.Of("to", 1))
            .Output("y", ["N", 2])
            .Build();
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => Differentiator.VectorJacobianProduct(model, "y", ["w"], 1))
                .Message,
            "another type than float32"
        );
    }

    [TestMethod]
    public void VectorJacobianProduct_OpenImageSize_IsRefused()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 3, "H", "W"])
            .Initializer("w", [2f])
            .Node("Mul", ["x", "w"], ["y"])
            .Output("y", ["N", 3, "H", "W"])
            .Build();
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => Differentiator.VectorJacobianProduct(model, "y", ["w"], 1))
                .Message,
            "fixed image size"
        );
    }

    /// <summary>
    /// Shapes computed in the graph, as exporters write x.view(x.size(0), -1): found though the batch size was open.
    /// </summary>
    [TestMethod]
    public void VectorJacobianProduct_ComputedShape_IsFound()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 2, 3])
            .Initializer("w", [2f])
            .Initializer("zero", [0L])
            .Initializer("axis", [0L], 1)
            .Initializer("rest", [-1L], 1)
            .Node("Mul", ["x", "w"], ["a"])
            .Node("Shape", ["a"], ["s"])
            .Node("Gather", ["s", "zero"], ["n"])
            .Node("Unsqueeze", ["n", "axis"], ["n1"])
            .Node("Concat", ["n1", "rest"], ["shape"], Attributes.Of("axis", 0))
            .Node("Reshape", ["a", "shape"], ["y"])
            .Output("y", ["N", 6])
            .Build();
        OnnxModel product = Differentiator.VectorJacobianProduct(model, "y", ["w"], 2);
        Assert.AreEqual(
            78,
            Ort.Run(
                product,
                ("x", [.. Enumerable.Range(1, 12).Select(i => (float)i)], [2, 2, 3]),
                ("output_gradient", [.. Enumerable.Repeat(1f, 12)], [2, 6])
            )["gradient_of/w"][0]
        );
    }
}
