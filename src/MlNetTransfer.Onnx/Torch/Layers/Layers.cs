using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

/// <summary>Two-dimensional cross-correlation with symmetric zero padding.</summary>
internal sealed record Conv2dLayer(
    long Inputs,
    long Outputs,
    Pair Kernel,
    Pair Stride,
    Pair Padding,
    Pair Dilation,
    long Groups,
    bool Bias
) : TorchLayer
{
    public override string Kind => "Conv2d";

    public override IReadOnlyList<string> Script =>
        [
            $"return torch.conv2d(x, self.weight, {(Bias ? "self.bias" : "None")}, {Stride.List}, {Padding.List}, "
                + $"{Dilation.List}, {Groups})",
        ];

    public override SharpCall Sharp
    {
        get
        {
            List<SharpArgument> arguments =
            [
                Text.Number("", Inputs, "inChannels"),
                Text.Number("", Outputs, "outChannels"),
                Kernel.Argument("", "kernelSize"),
            ];
            // Pairs and numbers are parameters of different overloads: all or none.
            bool pairs = new[] { Kernel, Stride, Padding, Dilation }.Any(p => !p.IsSquare);
            if (pairs)
                arguments[2] = new SharpArgument("", Kernel.Tuple);
            if (Stride != Pair.One)
                arguments.Add(pairs ? new SharpArgument("stride", Stride.Tuple) : Stride.Argument("stride", "stride"));
            if (Padding != Pair.Zero)
                arguments.Add(
                    pairs ? new SharpArgument("padding", Padding.Tuple) : Padding.Argument("padding", "padding")
                );
            if (Dilation != Pair.One)
                arguments.Add(
                    pairs ? new SharpArgument("dilation", Dilation.Tuple) : Dilation.Argument("dilation", "dilation")
                );
            if (Groups != 1)
                arguments.Add(Text.Number("groups", Groups, "groups"));
            if (!Bias)
                arguments.Add(new SharpArgument("bias", "false"));
            return new SharpCall("Conv2d", arguments);
        }
    }
}

/// <summary>The transpose of a convolution.</summary>
internal sealed record ConvTranspose2dLayer(
    long Inputs,
    long Outputs,
    Pair Kernel,
    Pair Stride,
    Pair Padding,
    Pair OutputPadding,
    Pair Dilation,
    long Groups,
    bool Bias
) : TorchLayer
{
    public override string Kind => "ConvTranspose2d";

    public override IReadOnlyList<string> Script =>
        [
            $"return torch.conv_transpose2d(x, self.weight, {(Bias ? "self.bias" : "None")}, {Stride.List}, "
                + $"{Padding.List}, {OutputPadding.List}, {Groups}, {Dilation.List})",
        ];

    public override SharpCall Sharp =>
        new(
            "ConvTranspose2d",
            [
                Text.Number("", Inputs, "inChannels"),
                Text.Number("", Outputs, "outChannels"),
                new SharpArgument("", Kernel.Tuple),
                new SharpArgument("stride", Stride.Tuple),
                new SharpArgument("padding", Padding.Tuple),
                .. OutputPadding == Pair.Zero
                    ? Array.Empty<SharpArgument>()
                    : [new SharpArgument("output_padding", OutputPadding.Tuple)],
                .. Dilation == Pair.One
                    ? Array.Empty<SharpArgument>()
                    : [new SharpArgument("dilation", Dilation.Tuple)],
                .. Groups == 1 ? Array.Empty<SharpArgument>() : [Text.Number("groups", Groups, "groups")],
                .. Bias ? Array.Empty<SharpArgument>() : [new SharpArgument("bias", "false")],
            ]
        );
}

/// <summary>x Wᵀ + b over the last axis.</summary>
internal sealed record LinearLayer(long Inputs, long Outputs, bool Bias) : TorchLayer
{
    public override string Kind => "Linear";

    public override IReadOnlyList<string> Script =>
        [$"return torch.linear(x, self.weight, {(Bias ? "self.bias" : "None")})"];

    public override SharpCall Sharp =>
        new(
            "Linear",
            [
                Text.Number("", Inputs, "inFeatures"),
                Text.Number("", Outputs, "outFeatures"),
                .. Bias ? Array.Empty<SharpArgument>() : [new SharpArgument("hasBias", "false")],
            ]
        );
}

/// <summary>Batch normalisation: of the batch when training, by the running statistics else.</summary>
internal sealed record BatchNormLayer(long Features, int Rank, float Epsilon, double Momentum) : TorchLayer
{
    public override string Kind =>
        Rank switch
        {
            2 or 3 => "BatchNorm1d",
            4 => "BatchNorm2d",
            _ => "BatchNorm3d",
        };

    public override IReadOnlyList<string> Script =>
        [
            "if self.training:",
            "  counted = torch.add_(self.num_batches_tracked, 1)",
            "else:",
            "  pass",
            $"return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var, "
                + $"self.training, {Text.Real(Momentum)}, {Text.Real(Epsilon)}, True)",
        ];

    public override SharpCall Sharp
    {
        get
        {
            List<SharpArgument> arguments = [Text.Number("", Features, "channels")];
            if (Epsilon != 1e-5f)
                arguments.Add(new SharpArgument("eps", Epsilon.ToString("R", CultureInfo.InvariantCulture)));
            if (Momentum != 0.1)
                arguments.Add(new SharpArgument("momentum", Momentum.ToString("R", CultureInfo.InvariantCulture)));
            return new SharpCall(Kind, arguments);
        }
    }
}

/// <summary>Normalisation over the last axes.</summary>
internal sealed record LayerNormLayer(IReadOnlyList<long> Shape, float Epsilon) : TorchLayer
{
    public override string Kind => "LayerNorm";

    public override IReadOnlyList<string> Script =>
        [
            $"return torch.layer_norm(x, [{string.Join(", ", Shape)}], self.weight, self.bias, "
                + $"{Text.Real(Epsilon)}, True)",
        ];

    public override SharpCall Sharp =>
        new(
            "LayerNorm",
            [
                Shape.Count == 1
                    ? Text.Number("", Shape[0], "channels")
                    : new SharpArgument("", $"new long[] {{ {string.Join(", ", Shape)} }}"),
                .. Epsilon == 1e-5f
                    ? Array.Empty<SharpArgument>()
                    : [new SharpArgument("eps", Epsilon.ToString("R", CultureInfo.InvariantCulture))],
            ]
        );

    public bool Equals(LayerNormLayer? other) =>
        other is not null && Shape.SequenceEqual(other.Shape) && Epsilon == other.Epsilon;

    public override int GetHashCode() => HashCode.Combine(Shape.Count, Shape[0], Epsilon);
}

/// <summary>max(0, x) + a · min(0, x) with one slope, or one per channel.</summary>
internal sealed record PReluLayer(long Slopes) : TorchLayer
{
    public override string Kind => "PReLU";

    public override IReadOnlyList<string> Script => ["return torch.prelu(x, self.weight)"];

    public override SharpCall Sharp => new("PReLU", Text.Number("", Slopes, "channels"));
}

/// <summary>A size, stride, padding or dilation: height and width.</summary>
internal readonly record struct Pair(long Height, long Width)
{
    public static readonly Pair Zero = new(0, 0),
        One = new(1, 1);

    public bool IsSquare => Height == Width;

    /// <summary>As a list of TorchScript.</summary>
    public string List => FormattableString.Invariant($"[{Height}, {Width}]");

    /// <summary>As a tuple of C#.</summary>
    public string Tuple => FormattableString.Invariant($"({Height}, {Width})");

    public static Pair Of(IReadOnlyList<long> values) => new(values[0], values[1]);

    public SharpArgument Argument(string name, string role) =>
        new(name, Height.ToString(CultureInfo.InvariantCulture), role);
}

/// <summary>Numbers as text.</summary>
internal static class Text
{
    public static SharpArgument Number(string name, long value, string role) =>
        new(name, value.ToString(CultureInfo.InvariantCulture), role);

    /// <summary>
    /// A number that is read as a floating point number in Python and, when finite, in C#. A float32 is written with
    /// the digits that name it.
    /// </summary>
    public static string Real(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "float(\"nan\")"
                : value > 0 ? "float(\"inf\")"
                : "float(\"-inf\")";
        string text =
            (float)value == value
                ? ((float)value).ToString("R", CultureInfo.InvariantCulture)
                : value.ToString("R", CultureInfo.InvariantCulture);
        return text.Contains('.', StringComparison.Ordinal) ? text
            : text.Contains('E', StringComparison.Ordinal) ? text.Replace("E", ".0E", StringComparison.Ordinal)
            : text + ".0";
    }
}
