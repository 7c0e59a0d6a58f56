using System.Globalization;
using System.Text;
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
            "reshape" or "permute" or "expand" or "flip" => $"{a[0]}.{step.Function}({a[1][1..^1]})",
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

/// <summary>Containers of numbered modules that run one after another: Sequentials.</summary>
internal static class SharpSequential
{
    /// <summary>Whether a container is one.</summary>
    public static bool Is(TorchModule module)
    {
        if (
            module.Body is not { Inputs.Count: 1, Outputs.Count: 1 } body
            || module.Tensors.Count > 0
            || !module.Children.All(c => char.IsAsciiDigit(c.Name[0]))
        )
            return false;
        string value = body.Inputs[0];
        List<TorchModule> called = [];
        foreach (TorchStep step in body.Steps)
        {
            if (
                step.Results.Count != 1
                || !step.Uses.SequenceEqual([value])
                || (step.Module is null && SharpFunctions.Module(step) is null)
            )
                return false;
            if (step.Module is { } child)
                called.Add(child);
            value = step.Results[0];
        }

        return value == body.Outputs[0] && called.SequenceEqual(module.Children);
    }

    public static SharpText Write(TorchModule module, Func<TorchModule, SharpText> construct)
    {
        SharpText text = new SharpText().Add("nn.Sequential(");
        int next = 0;
        bool first = true;
        foreach (TorchStep step in module.Body!.Steps)
        {
            // A function has no tensors: its number only has to be free.
            if (step.Module is null)
                while (module.Children.Any(c => c.Name == next.ToString(CultureInfo.InvariantCulture)))
                    next++;
            string name = step.Module?.Name ?? next.ToString(CultureInfo.InvariantCulture);
            text.Add($"{(first ? "" : ",")}\n    (\"{name}\", ");
            if (step.Module is { } child)
                text.Add(construct(child), 4);
            else
                text.Add(SharpFunctions.Module(step)!);
            text.Add(")");
            next = (int.TryParse(name, CultureInfo.InvariantCulture, out int number) ? number : next) + 1;
            first = false;
        }

        return text.Add(")");
    }

    /// <summary>The constructor of a layer.</summary>
    public static SharpText Layer(SharpCall call)
    {
        SharpText text = new SharpText().Add($"nn.{call.Function}(");
        for (int i = 0; i < call.Arguments.Count; i++)
        {
            SharpArgument argument = call.Arguments[i];
            text.Add((i > 0 ? ", " : "") + (argument.Name.Length > 0 ? argument.Name + ": " : ""))
                .Add(argument.Text, argument.Role);
        }

        return text.Add(")");
    }
}

/// <summary>C# in pieces: text, and numbers that may differ between modules that are otherwise alike.</summary>
internal sealed class SharpText
{
    private readonly List<(string Text, string Role)> pieces = [];

    /// <summary>The numbers that may differ, in their order.</summary>
    public IEnumerable<(string Text, string Role)> Numbers => pieces.Where(p => p.Role.Length > 0);

    /// <summary>All of it with the places of the numbers named: equal for modules that are alike.</summary>
    public string Skeleton => string.Concat(pieces.Select(p => p.Role.Length > 0 ? $"\u0001{p.Role}\u0001" : p.Text));

    public SharpText Add(string text, string role = "")
    {
        pieces.Add((text, role));
        return this;
    }

    /// <summary>Adds what was written elsewhere, its further lines indented.</summary>
    public SharpText Add(SharpText other, int indent = 0)
    {
        string newLine = "\n" + new string(' ', indent);
        foreach ((string text, string role) in other.pieces)
            pieces.Add((text.Replace("\n", newLine, StringComparison.Ordinal), role));
        return this;
    }

    /// <summary>The text with other numbers.</summary>
    public string With(IReadOnlyList<string> numbers)
    {
        StringBuilder text = new();
        int next = 0;
        foreach ((string piece, string role) in pieces)
            text.Append(role.Length > 0 ? numbers[next++] : piece);
        return text.ToString();
    }

    public override string ToString() => string.Concat(pieces.Select(p => p.Text));

    /// <summary>A number that reads as a float in C#.</summary>
    public static string Float(double value) =>
        double.IsNegativeInfinity(value) ? "float.NegativeInfinity"
        : double.IsPositiveInfinity(value) ? "float.PositiveInfinity"
        : ((float)value).ToString("R", CultureInfo.InvariantCulture) + "f";
}
