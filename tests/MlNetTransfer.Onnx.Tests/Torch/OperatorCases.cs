using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>Small graphs, one or more per operator that is exported; each of input x and output y.</summary>
internal static class OperatorCases
{
    private static readonly float[] Values = [.. Enumerable.Range(0, 4096).Select(i => (float)Math.Sin(i * 1.7 + 0.3))];

    /// <summary>By name, in the order in which they stand.</summary>
    public static IReadOnlyList<(string Name, OnnxModel Model)> All { get; } =
    [
        Images(
            "conv_asymmetric",
            g =>
                g.Initializer("c/kernel", Some(4 * 3 * 9), 4, 3, 3, 3)
                    .Node(
                        "Conv",
                        ["x", "c/kernel"],
                        ["y"],
                        Attributes.Of("strides", [2, 2]),
                        Attributes.Of("pads", [0, 0, 1, 1])
                    )
        ),
        Images(
            "conv_same_upper",
            g =>
                g.Initializer("c/kernel", Some(4 * 3 * 9), 4, 3, 3, 3)
                    .Initializer("c/bias", Some(4), 4)
                    .Node(
                        "Conv",
                        ["x", "c/kernel", "c/bias"],
                        ["y"],
                        Attributes.Of("strides", [2, 2]),
                        Attributes.Of("auto_pad", "SAME_UPPER")
                    )
        ),
        Images(
            "conv_groups_dilation",
            g =>
                g.Initializer("c.weight", Some(3 * 9), 3, 1, 3, 3)
                    .Node(
                        "Conv",
                        ["x", "c.weight"],
                        ["y"],
                        Attributes.Of("group", 3),
                        Attributes.Of("dilations", [2, 2]),
                        Attributes.Of("pads", [2, 2, 2, 2])
                    )
        ),
        Images(
            "conv_added_bias",
            g =>
                g.Initializer("w", Some(4 * 3 * 2 * 3), 4, 3, 2, 3)
                    .Initializer("b", Some(4), 1, 4, 1, 1)
                    .Node("Conv", ["x", "w"], ["c"])
                    .Node("Add", ["c", "b"], ["y"])
        ),
        Images(
            "conv_transpose",
            g =>
                g.Initializer("up.weight", Some(3 * 2 * 9), 3, 2, 3, 3)
                    .Node(
                        "ConvTranspose",
                        ["x", "up.weight"],
                        ["y"],
                        Attributes.Of("strides", [2, 2]),
                        Attributes.Of("pads", [1, 1, 1, 1]),
                        Attributes.Of("output_padding", [1, 1])
                    )
        ),
        Images(
            "batch_norm",
            g =>
                g.Initializer("bn/gamma", Some(3), 3)
                    .Initializer("bn/beta", Some(3), 3)
                    .Initializer("bn/moving_mean", Some(3), 3)
                    .Initializer("bn/moving_variance", [0.5f, 1.5f, 1e-4f], 3)
                    .Node(
                        "BatchNormalization",
                        ["x", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"],
                        ["y"],
                        Attributes.Of("epsilon", 1e-3f)
                    )
        ),
        Images(
            "average_pool_plain",
            g =>
                g.Node(
                    "AveragePool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("pads", [1, 1, 1, 1])
                )
        ),
        Images(
            "average_pool_counting",
            g =>
                g.Node(
                    "AveragePool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                    Attributes.Of("count_include_pad", 1)
                )
        ),
        Images(
            "average_pool_uneven",
            g =>
                g.Node(
                    "AveragePool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("auto_pad", "SAME_UPPER")
                )
        ),
        Images(
            "average_pool_uneven_counting",
            g =>
                g.Node(
                    "AveragePool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [0, 0, 1, 1]),
                    Attributes.Of("count_include_pad", 1)
                )
        ),
        Images(
            "max_pool",
            g =>
                g.Node(
                    "MaxPool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1])
                )
        ),
        Images(
            "max_pool_ceil",
            g =>
                g.Node(
                    "MaxPool",
                    ["x"],
                    ["y"],
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("ceil_mode", 1)
                )
        ),
        Images(
            "max_pool_uneven",
            g =>
                g.Node("Neg", ["x"], ["n"])
                    .Node("Relu", ["n"], ["r"])
                    .Node("Neg", ["r"], ["low"])
                    .Node(
                        "MaxPool",
                        ["low"],
                        ["y"],
                        Attributes.Of("kernel_shape", [3, 3]),
                        Attributes.Of("strides", [2, 2]),
                        Attributes.Of("pads", [0, 0, 1, 1])
                    )
        ),
        Images(
            "global_pools",
            g =>
                g.Node("GlobalAveragePool", ["x"], ["a"])
                    .Node("GlobalMaxPool", ["x"], ["b"])
                    .Node("Concat", ["a", "b"], ["c"], Attributes.Of("axis", 1))
                    .Node("Flatten", ["c"], ["y"])
        ),
        Images(
            "pads",
            g =>
                g.Initializer("p", [0L, 0, 1, 2, 0, 0, 0, 1], 8)
                    .Initializer("v", [0.5f])
                    .Node("Pad", ["x", "p", "v"], ["a"])
                    .Node("Pad", ["a", "p"], ["b"], Attributes.Of("mode", "reflect"))
                    .Node("Pad", ["b", "p"], ["y"], Attributes.Of("mode", "edge"))
        ),
        Images(
            "clips",
            g =>
                g.Initializer("lo", [0f])
                    .Initializer("hi", [6f])
                    .Initializer("t", [-0.3f])
                    .Initializer("s", [20f])
                    .Node("Mul", ["x", "s"], ["m"])
                    .Node("Clip", ["m", "lo", "hi"], ["a"])
                    .Node("Clip", ["m", "t", "hi"], ["b"])
                    .Node("Clip", ["m", "", "t"], ["c"])
                    .Node("Clip", ["m", "t"], ["d"])
                    .Node("Sum", ["a", "b", "c", "d"], ["y"])
        ),
        Images("silu", g => g.Node("Sigmoid", ["x"], ["s"]).Node("Mul", ["x", "s"], ["y"])),
        Images(
            "activations",
            g =>
                Chain(
                    g,
                    ("LeakyRelu", [Attributes.Of("alpha", 0.2f)]),
                    ("Elu", [Attributes.Of("alpha", 0.7f)]),
                    ("Selu", []),
                    ("HardSwish", []),
                    ("HardSigmoid", []),
                    ("Softplus", []),
                    ("HardSigmoid", [Attributes.Of("alpha", 1 / 6f)]),
                    ("Tanh", []),
                    ("Erf", []),
                    ("Sigmoid", [])
                )
        ),
        Images(
            "unaries",
            g =>
                Chain(
                    g,
                    ("Exp", []),
                    ("Log", []),
                    ("Abs", []),
                    ("Sqrt", []),
                    ("Neg", []),
                    ("Cos", []),
                    ("Sin", []),
                    ("Exp", []),
                    ("Reciprocal", []),
                    ("Floor", []),
                    ("Ceil", []),
                    ("Round", []),
                    ("Sign", [])
                )
        ),
        Images(
            "scalars",
            g =>
                g.Initializer("two", [2f])
                    .Initializer("three", [3f])
                    .Node("Mul", ["two", "x"], ["a"])
                    .Node("Sub", ["a", "three"], ["b"])
                    .Node("Sub", ["three", "b"], ["c"])
                    .Node("Exp", ["c"], ["d"])
                    .Node("Div", ["two", "d"], ["e"])
                    .Node("Pow", ["e", "two"], ["f"])
                    .Node("Add", ["f", "three"], ["g"])
                    .Node("Div", ["g", "three"], ["y"])
        ),
        Images(
            "per_channel",
            g =>
                g.Initializer("norm/mean", Some(3), 1, 3, 1, 1)
                    .Initializer("norm/std", [2f, 3, 4], 3, 1, 1)
                    .Initializer("c.weight", Some(9), 3, 3, 1, 1)
                    .Initializer("gamma", Some(3), 3, 1, 1)
                    .Node("Sub", ["x", "norm/mean"], ["a"])
                    .Node("Div", ["a", "norm/std"], ["b"])
                    .Node("Conv", ["b", "c.weight"], ["c"])
                    .Node("Mul", ["c", "gamma"], ["y"])
        ),
        Images(
            "extremes",
            g =>
                g.Node("Neg", ["x"], ["n"])
                    .Node("Max", ["x", "n"], ["a"])
                    .Node("Min", ["x", "n"], ["b"])
                    .Node("Mean", ["a", "b", "x"], ["y"])
        ),
        Images(
            "shuffle",
            g =>
                g.Node("Concat", ["x", "x"], ["c"], Attributes.Of("axis", 1))
                    .Initializer("s1", [0L, 2, 3, 7, 9], 5)
                    .Initializer("s2", [0L, -1, 7, 9], 4)
                    .Node("Reshape", ["c", "s1"], ["r"])
                    .Node("Transpose", ["r"], ["t"], Attributes.Of("perm", [0, 2, 1, 3, 4]))
                    .Node("Reshape", ["t", "s2"], ["y"])
        ),
        Images(
            "slices",
            g =>
                g.Initializer("from", [1L, -4], 2)
                    .Initializer("to", [3L, 1000], 2)
                    .Initializer("axes", [1L, 3], 2)
                    .Initializer("by", [1L, 2], 2)
                    .Node("Slice", ["x", "from", "to", "axes", "by"], ["y"])
        ),
        Images(
            "reversed",
            g =>
                g.Initializer("from", [-1L], 1)
                    .Initializer("to", [long.MinValue], 1)
                    .Initializer("axes", [3L], 1)
                    .Initializer("by", [-1L], 1)
                    .Node("Slice", ["x", "from", "to", "axes", "by"], ["y"])
        ),
        Images(
            "splits",
            g =>
                g.Initializer("sizes", [1L, 2], 2)
                    .Node("Split", ["x", "sizes"], ["a", "b"], Attributes.Of("axis", 1))
                    .Node("Mul", ["a", "b"], ["y"])
        ),
        Images(
            "shape_of",
            g =>
                g.Node("Shape", ["x"], ["s"])
                    .Initializer("zero", [0L])
                    .Initializer("minus", [-1L], 1)
                    .Initializer("first", [0L], 1)
                    .Node("Gather", ["s", "zero"], ["n"])
                    .Node("Unsqueeze", ["n", "first"], ["u"])
                    .Node("Concat", ["u", "minus"], ["t"], Attributes.Of("axis", 0))
                    .Node("Reshape", ["x", "t"], ["y"])
        ),
        Images(
            "squeezed",
            g =>
                g.Node("ReduceMean", ["x"], ["m"], Attributes.Of("axes", [2, 3]))
                    .Initializer("a", [2L, 3], 2)
                    .Node("Squeeze", ["m", "a"], ["s"])
                    .Initializer("b", [1L], 1)
                    .Node("Unsqueeze", ["s", "b"], ["y"])
        ),
        Images(
            "reductions",
            g =>
                g.Initializer("a", [-1L], 1)
                    .Node("ReduceSum", ["x", "a"], ["s"])
                    .Node("ReduceMax", ["x"], ["m"], Attributes.Of("axes", [3]))
                    .Node("ReduceMin", ["x"], ["n"], Attributes.Of("axes", [3]))
                    .Node("ReduceL2", ["x"], ["l"], Attributes.Of("axes", [3]))
                    .Node("Sum", ["s", "m", "n", "l"], ["y"])
        ),
        Images(
            "resize_nearest",
            g =>
                g.Initializer("z", [1f, 1, 2, 2], 4)
                    .Node(
                        "Resize",
                        ["x", "", "z"],
                        ["y"],
                        Attributes.Of("coordinate_transformation_mode", "asymmetric"),
                        Attributes.Of("nearest_mode", "floor")
                    )
        ),
        Images(
            "resize_linear",
            g =>
                g.Initializer("z", [1f, 1, 2, 2], 4)
                    .Node("Resize", ["x", "", "z"], ["y"], Attributes.Of("mode", "linear"))
        ),
        Images(
            "gathers",
            g =>
                g.Initializer("two", [2L])
                    .Initializer("some", [2L, 0], 2)
                    .Node("Gather", ["x", "two"], ["a"], Attributes.Of("axis", 1))
                    .Node("Gather", ["a", "some"], ["y"], Attributes.Of("axis", 2))
        ),
        Images("prelu", g => g.Initializer("slope", [0.1f, 0.2f, 0.3f], 3, 1, 1).Node("PRelu", ["x", "slope"], ["y"])),
        Images(
            "instance_norm",
            g =>
                g.Initializer("s", Some(3), 3)
                    .Initializer("b", Some(3), 3)
                    .Node("InstanceNormalization", ["x", "s", "b"], ["y"])
        ),
        Images(
            "where",
            g =>
                g.Initializer("zero", [0f])
                    .Node("Greater", ["x", "zero"], ["c"])
                    .Node("Exp", ["x"], ["e"])
                    .Node("Where", ["c", "e", "x"], ["y"])
        ),
        Rows(
            "gemm_transposed",
            g =>
                g.Initializer("d/kernel", Some(12), 6, 2)
                    .Initializer("d/bias", Some(2), 2)
                    .Node("Gemm", ["x", "d/kernel", "d/bias"], ["y"])
        ),
        Rows(
            "gemm",
            g =>
                g.Initializer("head.weight", Some(12), 2, 6)
                    .Initializer("head.bias", Some(2), 2)
                    .Node("Gemm", ["x", "head.weight", "head.bias"], ["l"], Attributes.Of("transB", 1))
                    .Node("Softmax", ["l"], ["y"], Attributes.Of("axis", 1))
        ),
        Rows(
            "matmul_add",
            g =>
                g.Initializer("w", Some(18), 6, 3)
                    .Initializer("b", Some(3), 3)
                    .Node("MatMul", ["x", "w"], ["p"])
                    .Node("Add", ["p", "b"], ["s"])
                    .Node("LogSoftmax", ["s"], ["y"])
        ),
        Rows(
            "layer_norm",
            g =>
                g.Initializer("n.weight", Some(6), 6)
                    .Initializer("n.bias", Some(6), 6)
                    .Node("LayerNormalization", ["x", "n.weight", "n.bias"], ["y"])
        ),
        Rows(
            "layer_norm_in_parts",
            g =>
                g.Initializer("n.weight", Some(6), 6)
                    .Initializer("n.bias", Some(6), 6)
                    .Initializer("two", [2f])
                    .Initializer("eps", [1e-2f])
                    .Node("ReduceMean", ["x"], ["m"], Attributes.Of("axes", [-1]))
                    .Node("Sub", ["x", "m"], ["d"])
                    .Node("Pow", ["d", "two"], ["q"])
                    .Node("ReduceMean", ["q"], ["v"], Attributes.Of("axes", [-1]))
                    .Node("Add", ["v", "eps"], ["e"])
                    .Node("Sqrt", ["e"], ["r"])
                    .Node("Div", ["d", "r"], ["z"])
                    .Node("Mul", ["z", "n.weight"], ["s"])
                    .Node("Add", ["s", "n.bias"], ["y"])
        ),
        Rows(
            "gelu_in_parts",
            g =>
                g.Initializer("root", [1.4142135f])
                    .Initializer("one", [1f])
                    .Initializer("half", [0.5f])
                    .Node("Div", ["x", "root"], ["d"])
                    .Node("Erf", ["d"], ["e"])
                    .Node("Add", ["e", "one"], ["a"])
                    .Node("Mul", ["x", "a"], ["p"])
                    .Node("Mul", ["p", "half"], ["y"])
        ),
        Rows(
            "products",
            g =>
                g.Node("Transpose", ["x"], ["t"], Attributes.Of("perm", [1, 0]))
                    .Node("MatMul", ["x", "t"], ["p"])
                    .Initializer("a", [1L], 1)
                    .Node("ReduceSum", ["p", "a"], ["y"])
        ),
        Rows(
            "neighbours",
            g =>
                g.Initializer("rows", Some(30), 6, 5)
                    .Initializer("labels", Some(10), 5, 2)
                    .Initializer("k", [3L], 1)
                    .Node("MatMul", ["x", "rows"], ["s"])
                    .Node("TopK", ["s", "k"], ["v", "i"], Attributes.Of("axis", 1))
                    .Node("Gather", ["labels", "i"], ["b"])
                    .Node("ReduceMean", ["b"], ["y"], Attributes.Of("axes", [1]), Attributes.Of("keepdims", 0))
        ),
        Rows(
            "kernel",
            g =>
                g.Initializer("rows", Some(30), 5, 6)
                    .Initializer("squares", Some(5), 5)
                    .Initializer("w", Some(10), 2, 5)
                    .Initializer("b", Some(2), 2)
                    .Node("Abs", ["x"], ["a"])
                    .Node("Sqrt", ["a"], ["s"])
                    .Node("Sign", ["x"], ["g"])
                    .Node("Mul", ["g", "s"], ["z"])
                    .Node("Gemm", ["z", "rows", "squares"], ["c"], Attributes.Of("transB", 1))
                    .Node("ReduceSumSquare", ["z"], ["o"], Attributes.Of("axes", [1]), Attributes.Of("keepdims", 1))
                    .Node("Add", ["c", "o"], ["d"])
                    .Node("Relu", ["d"], ["p"])
                    .Node("Neg", ["p"], ["n"])
                    .Node("Exp", ["n"], ["k"])
                    .Node("Gemm", ["k", "w", "b"], ["y"], Attributes.Of("transB", 1))
        ),
        Rows(
            "label",
            g =>
                g.Node("ArgMax", ["x"], ["l"], Attributes.Of("axis", 1), Attributes.Of("keepdims", 0))
                    .Node("Cast", ["l"], ["y"], Attributes.Of("to", (long)DataType.Float))
        ),
        Rows(
            "expanded",
            g =>
                g.Initializer("t", [1L, 4, 6], 3)
                    .Initializer("a", [1L], 1)
                    .Node("Unsqueeze", ["x", "a"], ["u"])
                    .Node("Expand", ["u", "t"], ["y"])
        ),
        Rows(
            "dropped",
            g => g.Initializer("r", [0.5f]).Node("Dropout", ["x", "r"], ["d"]).Node("Identity", ["d"], ["y"])
        ),
    ];

    private static (string Name, OnnxModel Model) Images(string name, Func<GraphBuilder, GraphBuilder> add) =>
        (
            name,
            add(new GraphBuilder(name).Input("x", ["N", 3, 7, 9])).Output("y", ["N"]).Build(opset: 17).With(Untyped)
        );

    private static (string Name, OnnxModel Model) Rows(string name, Func<GraphBuilder, GraphBuilder> add) =>
        (name, add(new GraphBuilder(name).Input("x", ["N", 6])).Output("y", ["N"]).Build(opset: 17).With(Untyped));

    private static void Untyped(ModelProto proto) => proto.Graph.Output[0].Type = null;

    private static ReadOnlySpan<float> Some(int count) => Values.AsSpan(0, count);

    private static GraphBuilder Chain(GraphBuilder graph, params (string Operator, AttributeProto[] Attributes)[] steps)
    {
        for (int i = 0; i < steps.Length; i++)
            graph.Node(
                steps[i].Operator,
                [i == 0 ? "x" : $"h{i}"],
                [i == steps.Length - 1 ? "y" : $"h{i + 1}"],
                steps[i].Attributes
            );
        return graph;
    }
}
