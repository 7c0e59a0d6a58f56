using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

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
