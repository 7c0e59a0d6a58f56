using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>Torch's functions as TorchSharp has them.</summary>
internal static class SharpFunctions
{
    /// <summary>The call in C#.</summary>
    /// <param name="step">A call of a function.</param>
    /// <param name="a">Its arguments in C#.</param>
    public static string Call(TorchStep step, IReadOnlyList<string> a) =>
        step.Function switch
        {
            "add" => $"{a[0]} + {a[1]}",
            "sub" => $"{a[0]} - {a[1]}",
            "mul" => $"{a[0]} * {a[1]}",
            "div" => $"{a[0]} / {a[1]}",
            "rsub" => $"{a[1]} - {a[0]}",
            "pow" or "clamp" => $"{a[0]}.{step.Function}("
                + string.Join(
                    ", ",
                    step.Arguments.Skip(1)
                        .Zip(
                            a.Skip(1),
                            (argument, text) => argument is TorchArgument.Real ? $"({text}).ToScalar()" : text
                        )
                )
                + ")",
            "constant_pad_nd" => $"nn.functional.pad({a[0]}, {a[1]}, value: {a[2]})",
            "reflection_pad2d" => $"nn.functional.pad({a[0]}, {a[1]}, PaddingModes.Reflect)",
            "replication_pad2d" => $"nn.functional.pad({a[0]}, {a[1]}, PaddingModes.Replicate)",
            "max_pool2d" =>
                $"nn.functional.max_pool2d({string.Join(", ", a.Take(a[5] == "true" ? 6 : a[4] != "[1, 1]" ? 5 : 4))})",
            "avg_pool2d" => $"nn.functional.avg_pool2d({string.Join(", ", a)})",
            "elu" or "adaptive_avg_pool2d" or "softplus" or "dropout" or "pixel_shuffle" =>
                $"nn.functional.{step.Function}({string.Join(", ", a)})",
            "mish" => $"{a[0]} * nn.functional.softplus({a[0]}).tanh()",
            "instance_norm" => $"nn.functional.instance_norm({a[0]}, null, null, {a[1]}, {a[2]}, true, 0, {a[7]})",
            "upsample_nearest2d" => $"nn.functional.interpolate({a[0]}, {a[1]}, mode: InterpolationMode.Nearest)",
            "upsample_bilinear2d" =>
                $"nn.functional.interpolate({a[0]}, {a[1]}, mode: InterpolationMode.Bilinear, align_corners: {a[2]})",
            "cat" or "ones_like" or "where" => $"torch.{step.Function}({string.Join(", ", a)})",
            "float" => $"{a[0]}.to_type(torch.float32)",
            "long" => $"{a[0]}.to_type(torch.int64)",
            "embedding" => $"{a[0]}[TensorIndex.Tensor({a[1]})]",
            "reshape" or "permute" or "expand" => $"{a[0]}.{step.Function}({a[1][1..^1]})",
            "flatten" => $"{a[0]}.flatten({a[1]})",
            _ => $"{a[0]}.{step.Function}({string.Join(", ", a.Skip(1))})",
        };

    /// <summary>The function as a module, for a Sequential; null where it has none.</summary>
    public static string? Module(TorchStep step) =>
        step.Function switch
        {
            "relu" => "nn.ReLU()",
            "relu6" => "nn.ReLU6()",
            "silu" => "nn.SiLU()",
            "gelu" => "nn.GELU()",
            "sigmoid" => "nn.Sigmoid()",
            "tanh" => "nn.Tanh()",
            "hardswish" => "nn.Hardswish()",
            "hardsigmoid" => "nn.Hardsigmoid()",
            "leaky_relu" => $"nn.LeakyReLU({SharpText.Float(((TorchArgument.Real)step.Arguments[1]).Number)})",
            "dropout" => $"nn.Dropout({SharpText.Float(((TorchArgument.Real)step.Arguments[1]).Number)})",
            _ => null,
        };
}
