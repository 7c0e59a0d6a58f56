using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class BasicGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node("relu", "Relu", "F.relu(x)", ["x:3,4,5"]) with
            {
                Differences = false,
            },
            Node("relu of zeros, tiny and large", "Relu", "F.relu(x)", ["x:1,6"]) with
            {
                Values = new Dictionary<string, float[]> { ["x"] = [0, -0f, 1e-20f, -1e-20f, 1e20f, -1e20f] },
                Differences = false,
            },
            Node("add", "Add", "x + x1", ["x:3,4,5", "x1:3,4,5"]),
            Node("add broadcast", "Add", "x + w", ["x:3,4,5", "w:4,1"]),
            Node("add broadcast on the left", "Add", "w + x", ["w:1", "x:3,4,5"]) with
            {
                Tensors = [("x", [3, 4, 5]), ("w", [1])],
            },
            Node("add a scalar", "Add", "x + w", ["x:3,4", "w:"]),
            Node("sub broadcast both ways", "Sub", "x - w", ["x:3,1,5", "w:4,1"]),
            Node("mul", "Mul", "x * x1", ["x:3,4", "x1:3,4"]),
            Graph("mul by itself", "x * x", ["x:3,4"], g => g.Node("Mul", ["x", "x"], ["y"])),
            Node("mul broadcast", "Mul", "x * w", ["x:3,4,5", "w:4,1"]),
            Node("div", "Div", "x / w", ["x:3,4,5", "w:4,1"]) with
            {
                Values = new Dictionary<string, float[]> { ["w"] = [1.5f, -2, 0.7f, 3] },
            },
            Node("clip as relu6", "Clip", "F.relu6(x)", ["x:1,7", "low:", "high:"]) with
            {
                Values = new Dictionary<string, float[]>
                {
                    ["x"] = [-1, 0, 1e-20f, 3, 5.9999f, 6, 7],
                    ["low"] = [0],
                    ["high"] = [6],
                },
                Wanted = ["x"],
                Differences = false,
            },
            Node("clip between other bounds", "Clip", "F.hardtanh(x, -0.5, 0.25)", ["x:4,5", "low:", "high:"]) with
            {
                Values = new Dictionary<string, float[]> { ["low"] = [-0.5f], ["high"] = [0.25f] },
                Wanted = ["x"],
                Differences = false,
            },
            Node("clip above only", "Clip", "torch.clamp(x, max=0.25)", ["x:4,5", "", "high:"]) with
            {
                Values = new Dictionary<string, float[]> { ["high"] = [0.25f] },
                Wanted = ["x"],
                Differences = false,
            },
            Node("clip below only", "Clip", "torch.clamp(x, min=-0.5)", ["x:4,5", "low:"]) with
            {
                Values = new Dictionary<string, float[]> { ["low"] = [-0.5f] },
                Wanted = ["x"],
                Differences = false,
            },
            Node("identity", "Identity", "x", ["x:3,4"]),
            Node("cast", "Cast", "x", ["x:3,4"], Attributes.Of("to", 1)),
            Node("dropout at inference", "Dropout", "x", ["x:3,4"]),
            Node("softmax", "Softmax", "x.softmax(-1)", ["x:3,4,5"]),
            Node("softmax over axis 1", "Softmax", "x.softmax(1)", ["x:3,4,5"], Attributes.Of("axis", 1))
        );

    [TestMethod]
    public void Backward_ShapesAgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Graph(
                "reshape",
                "x.reshape(3, -1, 2)",
                ["x:3,4,5"],
                g => g.Initializer("s", [0L, -1, 2], 3).Node("Reshape", ["x", "s"], ["y"])
            ),
            Node("flatten", "Flatten", "x.flatten(1)", ["x:3,4,5,2"]),
            Node("flatten from axis 2", "Flatten", "x.reshape(12, 10)", ["x:3,4,5,2"], Attributes.Of("axis", 2)),
            Graph(
                "squeeze",
                "x.squeeze(3).squeeze(1)",
                ["x:3,1,5,1"],
                g => g.Initializer("a", [1L, -1], 2).Node("Squeeze", ["x", "a"], ["y"])
            ),
            Graph(
                "unsqueeze",
                "x[:, None, :, None]",
                ["x:3,5"],
                g => g.Initializer("a", [1L, 3], 2).Node("Unsqueeze", ["x", "a"], ["y"])
            ),
            Node("transpose", "Transpose", "x.permute(2, 0, 3, 1)", ["x:3,4,5,2"], Attributes.Of("perm", [2, 0, 3, 1])),
            Node("transpose without perm", "Transpose", "x.permute(2, 1, 0)", ["x:3,4,5"]),
            Node(
                "concat",
                "Concat",
                "torch.cat([x, w, x1], 1)",
                ["x:3,4,5", "w:3,1,5", "x1:3,2,5"],
                Attributes.Of("axis", 1)
            ),
            Node(
                "concat on the last axis",
                "Concat",
                "torch.cat([x, x1], -1)",
                ["x:3,4,5", "x1:3,4,2"],
                Attributes.Of("axis", -1)
            ),
            Node("reduce sum of all", "ReduceSum", "x.sum().reshape(1, 1, 1)", ["x:3,4,5"]),
            Graph(
                "reduce sum over axes",
                "x.sum((1, 2))",
                ["x:3,4,5"],
                g => g.Initializer("a", [-1L, 1], 2).Node("ReduceSum", ["x", "a"], ["y"], Attributes.Of("keepdims", 0))
            ),
            Graph(
                "reduce sum over no axes",
                "x",
                ["x:3,4,5"],
                g => g.Node("ReduceSum", ["x"], ["y"], Attributes.Of("noop_with_empty_axes", 1))
            ),
            Node(
                "reduce mean, axes as attribute",
                "ReduceMean",
                "x.mean((2, 3))",
                ["x:3,4,5,2"],
                Attributes.Of("axes", [2, -1]),
                Attributes.Of("keepdims", 0)
            ),
            Graph(
                "reduce mean, axes as input",
                "x.mean((2, 3), keepdim=True)",
                ["x:3,4,5,2"],
                g => g.Initializer("a", [2L, 3], 2).Node("ReduceMean", ["x", "a"], ["y"]),
                opset: 18
            )
        );

    /// <summary>Gradients that are stored small, through every operator that passes them on.</summary>
    [TestMethod]
    public void Backward_CompactGradientsAgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Graph(
                "the gradient of a pool meets another",
                "F.relu(x).mean((2, 3), keepdim=True) + F.relu(x)",
                ["x:2,3,4,5"],
                g => g.Node("Relu", ["x"], ["r"]).Node("GlobalAveragePool", ["r"], ["p"]).Node("Add", ["p", "r"], ["y"])
            ) with
            {
                Differences = false,
            },
            Graph(
                "pool of a sum that was broadcast",
                "(x + w - x1).mean((2, 3), keepdim=True)",
                ["x:2,3,4,5", "w:3,1,1", "x1:2,1,4,5"],
                g =>
                    g.Node("Add", ["x", "w"], ["a"])
                        .Node("Sub", ["a", "x1"], ["b"])
                        .Node("GlobalAveragePool", ["b"], ["y"])
            ),
            Graph(
                "pool of a product",
                "(x * w).mean((2, 3), keepdim=True)",
                ["x:2,3,4,5", "w:3,1,5"],
                g => g.Node("Mul", ["x", "w"], ["a"]).Node("GlobalAveragePool", ["a"], ["y"])
            ),
            Graph(
                "pool of a transpose",
                "x.permute(0, 3, 1, 2).mean((2, 3), keepdim=True)",
                ["x:2,4,5,3"],
                g =>
                    g.Node("Transpose", ["x"], ["a"], Attributes.Of("perm", [0, 3, 1, 2]))
                        .Node("GlobalAveragePool", ["a"], ["y"])
            ),
            Graph(
                "pool of an identity, wanted itself",
                "x.mean((2, 3), keepdim=True)",
                ["x:2,4,5,3"],
                g => g.Node("Identity", ["x"], ["a"]).Node("GlobalAveragePool", ["a"], ["y"])
            ),
            Graph(
                "pool of clip",
                "F.relu6(x).mean((2, 3), keepdim=True)",
                ["x:2,4,5,3"],
                g =>
                    g.Initializer("low", [0f])
                        .Initializer("high", [6f])
                        .Node("Clip", ["x", "low", "high"], ["a"])
                        .Node("GlobalAveragePool", ["a"], ["y"])
            ) with
            {
                Differences = false,
            },
            Graph(
                "two pools meet",
                "x.mean((2, 3), keepdim=True) + x.sum((1, 2, 3), keepdim=True)",
                ["x:2,4,5,3"],
                g =>
                    g.Initializer("a", [1L, 2, 3], 3)
                        .Node("GlobalAveragePool", ["x"], ["p"])
                        .Node("ReduceSum", ["x", "a"], ["s"])
                        .Node("Add", ["p", "s"], ["y"])
            )
        );
}
