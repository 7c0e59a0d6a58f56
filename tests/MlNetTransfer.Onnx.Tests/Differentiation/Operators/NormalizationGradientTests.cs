using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class NormalizationGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node("softmax on axis 0", "Softmax", "x.softmax(0)", ["x:3,4,5"], Attributes.Of("axis", 0)),
            Node("softmax on axis -2", "Softmax", "x.softmax(-2)", ["x:3,4,5,2"], Attributes.Of("axis", -2)),
            Node("log softmax", "LogSoftmax", "x.log_softmax(-1)", ["x:3,4,5"]),
            Node("log softmax on axis 1", "LogSoftmax", "x.log_softmax(1)", ["x:3,4,5,2"], Attributes.Of("axis", 1)),
            Node(
                "log softmax on axis of size 1",
                "LogSoftmax",
                "x.log_softmax(1)",
                ["x:3,1,5"],
                Attributes.Of("axis", 1)
            ) with
            {
                // The gradient is 0; dy - dy · exp(0) may leave one rounding of dy, which is about 1, and 1e-3 is taken
                // for the largest value.
                Tolerance = 3e-4,
            },
            Node(
                "softmax before operator set 13, on axis 1",
                "Softmax",
                "x.flatten(1).softmax(1).reshape(x.shape)",
                ["x:3,4,5"],
                Attributes.Of("axis", 1)
            ) with
            {
                Model = Old("Softmax", 1),
            },
            Node(
                "log softmax before operator set 13, on axis 2",
                "LogSoftmax",
                "x.log_softmax(2)",
                ["x:3,4,5"],
                Attributes.Of("axis", 2)
            ) with
            {
                Model = Old("LogSoftmax", 2),
            },
            Node(
                "log softmax before operator set 13, on the default axis",
                "LogSoftmax",
                "x.flatten(1).log_softmax(1).reshape(x.shape)",
                ["x:3,4,5"]
            ) with
            {
                Model = Old("LogSoftmax", null),
            },
            Node("layer norm", "LayerNormalization", "F.layer_norm(x, [5], w, b)", ["x:3,4,5", "w:5", "b:5"]),
            Node(
                "layer norm without bias",
                "LayerNormalization",
                "F.layer_norm(x, [7], w, None, 1e-3)",
                ["x:3,4,7", "w:7"],
                Attributes.Of("epsilon", 1e-3f)
            ),
            Node(
                "layer norm over two axes",
                "LayerNormalization",
                "F.layer_norm(x, [4, 5], w, b)",
                ["x:3,2,4,5", "w:4,5", "b:4,5"],
                Attributes.Of("axis", 2)
            ),
            Node(
                "layer norm over negative axes",
                "LayerNormalization",
                "F.layer_norm(x, [4, 5], w, b)",
                ["x:3,4,5", "w:4,5", "b:4,5"],
                Attributes.Of("axis", -2)
            ),
            Graph(
                "layer norm written out",
                "F.layer_norm(x, [5], w, b)",
                ["x:3,4,5", "w:5", "b:5"],
                g =>
                    g.Initializer("two", [2f])
                        .Initializer("e", [1e-5f])
                        .Node("ReduceMean", ["x"], ["m"], Attributes.Of("axes", [-1]))
                        .Node("Sub", ["x", "m"], ["c"])
                        .Node("Pow", ["c", "two"], ["s"])
                        .Node("ReduceMean", ["s"], ["v"], Attributes.Of("axes", [-1]))
                        .Node("Add", ["v", "e"], ["ve"])
                        .Node("Sqrt", ["ve"], ["d"])
                        .Node("Div", ["c", "d"], ["n"])
                        .Node("Mul", ["n", "w"], ["nw"])
                        .Node("Add", ["nw", "b"], ["y"])
            ),
            Node(
                "instance norm",
                "InstanceNormalization",
                "F.instance_norm(x, weight=w, bias=b)",
                ["x:2,3,4,5", "w:3", "b:3"]
            ),
            Node(
                "instance norm, one axis",
                "InstanceNormalization",
                "F.instance_norm(x, weight=w, bias=b, eps=1e-2)",
                ["x:2,3,7", "w:3", "b:3"],
                Attributes.Of("epsilon", 1e-2f)
            ),
            Graph(
                "group norm as exported",
                "F.group_norm(x, 2, w.reshape(-1), b.reshape(-1))",
                ["x:2,6,3,5", "w:6,1,1", "b:6,1,1"],
                g =>
                    g.Initializer("s", [0L, 2, -1], 3)
                        .Initializer("one", [1f, 1], 2)
                        .Initializer("zero", [0f, 0], 2)
                        .Node("Reshape", ["x", "s"], ["r"])
                        .Node("InstanceNormalization", ["r", "one", "zero"], ["i"])
                        .Node("Shape", ["x"], ["shape"])
                        .Node("Reshape", ["i", "shape"], ["n"])
                        .Node("Mul", ["n", "w"], ["m"])
                        .Node("Add", ["m", "b"], ["y"])
            ),
            Graph(
                "group norm",
                "F.group_norm(x, 3, w, b)",
                ["x:2,6,3,5", "w:6", "b:6"],
                g => g.Node("GroupNormalization", ["x", "w", "b"], ["y"], Attributes.Of("num_groups", 3)),
                21
            ),
            Graph(
                "group norm, scales per group",
                "F.group_norm(x, 3, w.repeat_interleave(2), b.repeat_interleave(2))",
                ["x:2,6,3,5", "w:3", "b:3"],
                g => g.Node("GroupNormalization", ["x", "w", "b"], ["y"], Attributes.Of("num_groups", 3)),
                18
            ),
            Node(
                "local response norm",
                "LRN",
                "F.local_response_norm(x, 5, 0.3, 0.75, 2)",
                ["x:2,9,3,4"],
                Attributes.Of("size", 5),
                Attributes.Of("alpha", 0.3f),
                Attributes.Of("bias", 2f)
            ),
            Node(
                "local response norm of one channel",
                "LRN",
                "F.local_response_norm(x, 1, 0.3, 0.5, 1)",
                ["x:2,9,3,4"],
                Attributes.Of("size", 1),
                Attributes.Of("alpha", 0.3f),
                Attributes.Of("beta", 0.5f)
            )
        );

    private static OnnxModel Old(string operatorType, long? axis) =>
        new GraphBuilder()
            .Input("x", ["N", 4, 5])
            .Node(operatorType, ["x"], ["y"], axis is { } a ? [Attributes.Of("axis", a)] : [])
            .Output("y", [])
            .Build(opset: 11);
}
