using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

/// <summary>max(0, x) + a · min(0, x) with one slope, or one per channel.</summary>
internal sealed record PReluLayer(long Slopes) : TorchLayer
{
    public override string Kind => "PReLU";

    public override IReadOnlyList<string> Script => ["return torch.prelu(x, self.weight)"];

    public override SharpCall Sharp => new("PReLU", Text.Number("", Slopes, "channels"));
}
