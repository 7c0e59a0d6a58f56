using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>PRelu with one slope, or one per channel.</summary>
internal sealed class PReluOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["PRelu"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Transposed: false } slope)
            throw node.Unsupported("computed slopes");
        bool channels =
            slope.Count == 1
            || (
                slope.Count == node.Shape()[1]
                && slope.Shape.Count >= node.Rank - 1
                && slope.Shape[slope.Shape.Count - node.Rank + 1] == slope.Count
            );
        if (!channels)
            throw node.Unsupported($"slopes of shape [{string.Join(", ", slope.Shape)}]");
        node.Layer(new PReluLayer(slope.Count), node.Value(0), [new("weight", slope, [slope.Count])], "prelu");
    }
}
