using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class PoolGradientTests
{
    private static readonly float[] Ties = [.. Enumerable.Range(0, 2 * 3 * 49).Select(i => (float)(i * 7919 % 3))];

    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node("global average pool", "GlobalAveragePool", "x.mean((2, 3), keepdim=True)", ["x:2,3,4,5"]),
            Max(
                "3x3 stride 2, padded",
                "F.max_pool2d(x, 3, 2, 1)",
                [
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                ]
            ),
            Max(
                "ties",
                "F.max_pool2d(x, 3, 2, 1)",
                [
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                ]
            ) with
            {
                Values = new Dictionary<string, float[]> { ["x"] = Ties },
            },
            Max(
                "2x2, the last row unused",
                "F.max_pool2d(x, 2)",
                [Attributes.Of("kernel_shape", [2, 2]), Attributes.Of("strides", [2, 2])]
            ),
            Max(
                "3x3 stride 2 ceil",
                "F.max_pool2d(x, (2, 3), 2, ceil_mode=True)",
                [Attributes.Of("kernel_shape", [2, 3]), Attributes.Of("strides", [2, 2]), Attributes.Of("ceil_mode", 1)]
            ),
            Max(
                "dilated",
                "F.max_pool2d(x, 2, 1, dilation=2)",
                [Attributes.Of("kernel_shape", [2, 2]), Attributes.Of("dilations", [2, 2])]
            ),
            Max(
                "same upper",
                "F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-1e9), 2, 1)",
                [Attributes.Of("kernel_shape", [2, 2]), Attributes.Of("auto_pad", "SAME_UPPER")]
            ),
            Node(
                "max pool on one axis",
                "MaxPool",
                "F.max_pool1d(x, 3, 2, 1)",
                ["x:2,3,9"],
                Attributes.Of("kernel_shape", [3]),
                Attributes.Of("strides", [2]),
                Attributes.Of("pads", [1, 1])
            ) with
            {
                Differences = false,
            },
            Average(
                "2x2 tiles",
                "F.avg_pool2d(x, 2)",
                "x:2,3,8,6",
                [Attributes.Of("kernel_shape", [2, 2]), Attributes.Of("strides", [2, 2])]
            ),
            Average(
                "3x3, pads not counted",
                "F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)",
                "x:2,3,7,6",
                [Attributes.Of("kernel_shape", [3, 3]), Attributes.Of("pads", [1, 1, 1, 1])]
            ),
            Average(
                "3x3 stride 2, pads counted",
                "F.avg_pool2d(x, 3, 2, 1)",
                "x:2,3,8,6",
                [
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                    Attributes.Of("count_include_pad", 1),
                ]
            ),
            Average(
                "3x2 stride 2x3, remainder",
                "F.avg_pool2d(x, (3, 2), (2, 3))",
                "x:2,3,8,7",
                [Attributes.Of("kernel_shape", [3, 2]), Attributes.Of("strides", [2, 3])]
            ),
            Average(
                "ceil, pads not counted",
                "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)",
                "x:2,3,8,8",
                [
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                    Attributes.Of("ceil_mode", 1),
                ]
            ),
            Average(
                "ceil, pads counted",
                "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)",
                "x:2,3,8,8",
                [
                    Attributes.Of("kernel_shape", [3, 3]),
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1]),
                    Attributes.Of("ceil_mode", 1),
                    Attributes.Of("count_include_pad", 1),
                ]
            ),
            Average(
                "same lower",
                "F.avg_pool2d(F.pad(x, (1, 0, 1, 0)), 2, 1) * 4 / F.avg_pool2d(F.pad(torch.ones_like(x), (1, 0, 1, "
                    + "0)), 2, 1) / 4",
                "x:2,3,5,5",
                [Attributes.Of("kernel_shape", [2, 2]), Attributes.Of("auto_pad", "SAME_LOWER")]
            ),
            Node(
                "average pool on one axis",
                "AveragePool",
                "F.avg_pool1d(x, 3, 2, 1)",
                ["x:2,3,9"],
                Attributes.Of("kernel_shape", [3]),
                Attributes.Of("strides", [2]),
                Attributes.Of("pads", [1, 1]),
                Attributes.Of("count_include_pad", 1)
            )
        );

    private static GradientCase Max(string name, string torch, Onnx.Proto.AttributeProto[] attributes) =>
        Node($"max pool {name}", "MaxPool", torch, ["x:2,3,7,7"], attributes) with
        {
            Differences = false,
        };

    private static GradientCase Average(string name, string torch, string x, Onnx.Proto.AttributeProto[] attributes) =>
        Node($"average pool {name}", "AveragePool", torch, [x], attributes);
}
