using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Resize and Upsample of images to a known size: nearest by whole factors, or bilinear.</summary>
internal sealed class ResizeOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Resize", "Upsample"];

    public void Convert(TorchNode node)
    {
        long?[] from = node.Shape(),
            to = node.OutputShape();
        if (
            from.Length != 4
            || from[1] != to[1]
            || to[2] is not { } height
            || to[3] is not { } width
            || from[2] is not { } oldHeight
            || from[3] is not { } oldWidth
        )
            throw node.Unsupported("another form than images of known size");
        string mode = node.Text("mode", "nearest"),
            position = node.Operator == "Upsample"
                ? "asymmetric"
                : node.Text("coordinate_transformation_mode", "half_pixel"),
            rounding = node.Text("nearest_mode", node.Operator == "Upsample" ? "floor" : "round_prefer_floor");
        TorchArgument size = new TorchArgument.Integers([height, width]);
        bool whole = height % oldHeight == 0 && width % oldWidth == 0;
        if (
            mode == "nearest"
            && (
                (position == "asymmetric" && rounding == "floor")
                || (
                    whole
                    && position is "half_pixel" or "pytorch_half_pixel"
                    && rounding.StartsWith("round_prefer", StringComparison.Ordinal)
                )
            )
        )
            node.Call("upsample_nearest2d", node.Value(0), size);
        else if (mode == "linear" && position is "half_pixel" or "pytorch_half_pixel" && node.Int("antialias", 0) == 0)
            node.Call("upsample_bilinear2d", node.Value(0), size, new TorchArgument.Flag(false));
        else if (mode == "linear" && position == "align_corners")
            node.Call("upsample_bilinear2d", node.Value(0), size, new TorchArgument.Flag(true));
        else
            throw node.Unsupported($"mode '{mode}' with '{position}' and '{rounding}'");
    }
}
