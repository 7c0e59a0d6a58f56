using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class ConvTransposeGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Of(
                "2x2 stride 2",
                "F.conv_transpose2d(x, w, b, stride=2)",
                ["x:2,4,3,5", "w:4,6,2,2", "b:6"],
                Attributes.Of("strides", [2, 2])
            ),
            Of("1x1", "F.conv_transpose2d(x, w)", ["x:2,4,3,5", "w:4,6,1,1"]),
            Of(
                "3x3",
                "F.conv_transpose2d(x, w, b, padding=1)",
                ["x:2,4,5,6", "w:4,3,3,3", "b:3"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ),
            Of(
                "4x4 stride 2",
                "F.conv_transpose2d(x, w, stride=2, padding=1)",
                ["x:2,4,3,5", "w:4,6,4,4"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("pads", [1, 1, 1, 1])
            ),
            Of(
                "output padding",
                "F.conv_transpose2d(x, w, b, stride=(3, 2), padding=1, output_padding=(2, 1))",
                ["x:2,4,3,5", "w:4,6,3,3", "b:6"],
                Attributes.Of("strides", [3, 2]),
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("output_padding", [2, 1])
            ),
            Of(
                "dilated",
                "F.conv_transpose2d(x, w, dilation=(2, 1), padding=(2, 1))",
                ["x:2,4,5,5", "w:4,6,3,3"],
                Attributes.Of("dilations", [2, 1]),
                Attributes.Of("pads", [2, 1, 2, 1])
            ),
            Of(
                "grouped",
                "F.conv_transpose2d(x, w, b, stride=2, groups=2)",
                ["x:2,4,3,5", "w:4,3,3,3", "b:6"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 2)
            ),
            Of(
                "depthwise",
                "F.conv_transpose2d(x, w, stride=2, padding=1, groups=4)",
                ["x:2,4,3,5", "w:4,1,4,4"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 4),
                Attributes.Of("pads", [1, 1, 1, 1])
            ),
            Of(
                "asymmetric pads",
                "F.conv_transpose2d(x, w, stride=2)[:, :, 1:, :-2]",
                ["x:2,4,3,5", "w:4,6,3,3"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("pads", [1, 0, 0, 2])
            ),
            Of(
                "same upper",
                "F.conv_transpose2d(x, w, stride=2)[:, :, :-1, :-1]",
                ["x:2,4,3,5", "w:4,6,3,3"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("auto_pad", "SAME_UPPER")
            ),
            Of(
                "same lower",
                "F.conv_transpose2d(x, w, stride=2)[:, :, 1:, 1:]",
                ["x:2,4,3,5", "w:4,6,3,3"],
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("auto_pad", "SAME_LOWER")
            ),
            Of(
                "one axis",
                "F.conv_transpose1d(x, w, b, stride=2)",
                ["x:2,4,7", "w:4,6,3", "b:6"],
                Attributes.Of("strides", [2])
            )
        );

    private static GradientCase Of(
        string name,
        string torch,
        string[] inputs,
        params Onnx.Proto.AttributeProto[] attributes
    ) => Node(name, "ConvTranspose", torch, inputs, attributes);
}
