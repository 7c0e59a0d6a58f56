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
