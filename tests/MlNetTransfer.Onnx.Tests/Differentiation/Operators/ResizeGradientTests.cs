using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

/// <summary>Resizing in the modes that PyTorch and TensorFlow export.</summary>
[TestClass]
public sealed class ResizeGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Resize(
                "nearest, twice",
                "F.interpolate(x, scale_factor=2)",
                null,
                [1, 1, 2, 2],
                "nearest",
                "asymmetric",
                Attributes.Of("nearest_mode", "floor")
            ),
            Resize(
                "nearest, to twice the size, as TensorFlow",
                "F.interpolate(x, scale_factor=(2, 3))",
                [2, 3, 8, 15],
                null,
                "nearest",
                "half_pixel",
                Attributes.Of("nearest_mode", "round_prefer_ceil")
            ),
            Resize(
                "nearest, to another size",
                "F.interpolate(x, size=(7, 3))",
                [2, 3, 7, 3],
                null,
                "nearest",
                "asymmetric",
                Attributes.Of("nearest_mode", "floor")
            ),
            Resize(
                "nearest-exact",
                "F.interpolate(x, size=(7, 3), mode='nearest-exact')",
                [2, 3, 7, 3],
                null,
                "nearest",
                "half_pixel",
                Attributes.Of("nearest_mode", "round_prefer_ceil")
            ),
            Resize(
                "nearest, smaller",
                "x[:, :, ::2, [0, 1, 3]]",
                null,
                [1, 1, 0.5f, 0.6f],
                "nearest",
                "asymmetric",
                Attributes.Of("nearest_mode", "floor")
            ),
            Resize(
                "linear, twice",
                "F.interpolate(x, scale_factor=2, mode='bilinear')",
                null,
                [1, 1, 2, 2],
                "linear",
                "half_pixel"
            ),
            Resize(
                "linear, to one row",
                "F.interpolate(x[:, :, :1], size=(1, 9), mode='bilinear')",
                [2, 3, 1, 9],
                null,
                "linear",
                "pytorch_half_pixel"
            ),
            Resize(
                "linear, to a larger size",
                "F.interpolate(x, size=(7, 11), mode='bilinear')",
                [2, 3, 7, 11],
                null,
                "linear",
                "pytorch_half_pixel"
            ),
            Resize(
                "linear, corners aligned",
                "F.interpolate(x, size=(7, 11), mode='bilinear', align_corners=True)",
                [2, 3, 7, 11],
                null,
                "linear",
                "align_corners"
            ),
            Resize(
                "linear, smaller, corners aligned",
                "F.interpolate(x, size=(2, 3), mode='bilinear', align_corners=True)",
                [2, 3, 2, 3],
                null,
                "linear",
                "align_corners"
            ),
            Resize(
                "cubic",
                "F.interpolate(x, size=(7, 11), mode='bicubic')",
                [2, 3, 7, 11],
                null,
                "cubic",
                "half_pixel"
            ),
            Resize(
                "cubic, corners aligned",
                "F.interpolate(x, size=(3, 11), mode='bicubic', align_corners=True)",
                [2, 3, 3, 11],
                null,
                "cubic",
                "align_corners"
            ),
            Graph(
                "linear, one axis",
                "F.interpolate(x, size=11, mode='linear')",
                ["x:2,3,5"],
                g =>
                    g.Initializer("s", [2L, 3, 11], 3)
                        .Node(
                            "Resize",
                            ["x", "", "", "s"],
                            ["y"],
                            Attributes.Of("mode", "linear"),
                            Attributes.Of("coordinate_transformation_mode", "pytorch_half_pixel")
                        )
            ),
            Graph(
                "linear, named axes",
                "F.interpolate(x, size=(7, 11), mode='bilinear')",
                ["x:2,3,4,5"],
                g =>
                    g.Initializer("s", [7L, 11], 2)
                        .Node(
                            "Resize",
                            ["x", "", "", "s"],
                            ["y"],
                            Attributes.Of("mode", "linear"),
                            Attributes.Of("axes", [2, 3])
                        ),
                18
            ),
            Graph(
                "nearest of TensorFlow, channels last",
                "x.repeat_interleave(2, 1).repeat_interleave(3, 2)",
                ["x:2,4,5,3"],
                g =>
                    g.Initializer("s", [1f, 2, 3, 1], 4)
                        .Node(
                            "Resize",
                            ["x", "", "s"],
                            ["y"],
                            Attributes.Of("coordinate_transformation_mode", "tf_half_pixel_for_nn"),
                            Attributes.Of("nearest_mode", "floor")
                        ),
                11
            ),
            Upsample("upsample", "F.interpolate(x, scale_factor=(2, 3))", 9, [1, 1, 2, 3], "nearest"),
            Upsample("upsample, scales as attribute", "F.interpolate(x, scale_factor=2)", 8, [1, 1, 2, 2], "nearest"),
            Graph(
                "resize of operator set 10",
                "F.interpolate(x, scale_factor=2)",
                ["x:2,3,4,5"],
                g =>
                    g.Initializer("s", [1f, 1, 2, 2], 4)
                        .Node("Resize", ["x", "s"], ["y"], Attributes.Of("mode", "nearest")),
                10
            )
        );

    private static GradientCase Resize(
        string name,
        string torch,
        long[]? sizes,
        float[]? scales,
        string mode,
        string coordinates,
        params Onnx.Proto.AttributeProto[] attributes
    ) =>
        Graph(
            name,
            torch,
            ["x:2,3,4,5"],
            g =>
            {
                if (sizes is not null)
                    g.Initializer("s", sizes, 4);
                else
                    g.Initializer("s", scales!, 4);
                g.Node(
                    "Resize",
                    sizes is not null ? ["x", "", "", "s"] : ["x", "", "s"],
                    ["y"],
                    [
                        Attributes.Of("mode", mode),
                        Attributes.Of("coordinate_transformation_mode", coordinates),
                        .. attributes,
                    ]
                );
            }
        );

    private static GradientCase Upsample(string name, string torch, int opset, float[] scales, string mode) =>
        Graph(
            name,
            torch,
            ["x:2,3,4,5"],
            g =>
            {
                if (opset >= 9)
                    g.Initializer("s", scales, 4).Node("Upsample", ["x", "s"], ["y"], Attributes.Of("mode", mode));
                else
                    g.Node(
                        "Upsample",
                        ["x"],
                        ["y"],
                        Attributes.Of("mode", mode),
                        Attributes.Of("scales", scales.AsSpan())
                    );
            },
            opset
        );
}
