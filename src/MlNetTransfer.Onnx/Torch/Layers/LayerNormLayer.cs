using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

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
