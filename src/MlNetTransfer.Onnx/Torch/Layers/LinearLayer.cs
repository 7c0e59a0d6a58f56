using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

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
