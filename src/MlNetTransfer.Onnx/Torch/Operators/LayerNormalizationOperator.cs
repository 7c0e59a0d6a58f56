using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>LayerNormalization over the last axes.</summary>
internal sealed class LayerNormalizationOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["LayerNormalization"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { } weight || node.Constant(2) is not { } bias)
            throw node.Unsupported("no constant scale and bias");
        int axis = node.Axis("axis", -1);
        if (weight.Shape.Count != node.Rank - axis)
            throw node.Unsupported("a scale that is not of the shape of the normalised axes");
        node.Layer(
            new LayerNormLayer(weight.Shape, node.Float("epsilon", 1e-5f)),
            node.Value(0),
            [new("weight", weight, weight.Shape), new("bias", bias, weight.Shape)],
            "norm"
        );
    }
}
