using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>
/// MatMul: a linear layer where the right side is a constant matrix, with the bias that is added next; a product else.
/// </summary>
internal sealed class MatMulOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["MatMul"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { Shape.Count: 2 } weight || node.Rank < 2)
        {
            node.Call("matmul", node.Value(0), node.Value(1));
            return;
        }

        (long inputs, long outputs) = (weight.Shape[0], weight.Shape[1]);
        List<LayerTensor> tensors = [new("weight", weight, [outputs, inputs], Transpose: true)];
        if (
            node.OnlyUser is { OpType: "Add" } add
            && node.Peek(add).Constant(add.Input[0] == node.Output() ? 1 : 0) is { Transposed: false } bias
            && bias.Count == outputs
            && bias.Shape[^1] == outputs
            && bias.Shape.Count <= node.Rank
        )
        {
            node = node.Absorb(add);
            tensors.Add(new("bias", bias, [outputs]));
        }

        node.Layer(new LinearLayer(inputs, outputs, tensors.Count == 2), node.Value(0), tensors, "fc");
    }
}
