using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Gemm with a constant matrix: a linear layer.</summary>
internal sealed class GemmOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Gemm"];

    public void Convert(TorchNode node)
    {
        if (node.Float("alpha", 1) != 1 || (node.HasInput(2) && node.Float("beta", 1) != 1))
            throw node.Unsupported("a factor alpha or beta");
        if (node.Int("transA", 0) != 0)
            throw node.Unsupported("a transposed first matrix");
        bool transposed = node.Int("transB", 0) != 0;
        if (node.Constant(1) is not { Shape.Count: 2 } weight)
        {
            TorchArgument right = transposed
                ? node.Step("permute", node.Value(1), new TorchArgument.Integers([1, 0]))
                : node.Value(1);
            if (!node.HasInput(2))
                node.Call("matmul", node.Value(0), right);
            else
                node.Call("add", node.Step("matmul", node.Value(0), right), node.Value(2));
            return;
        }

        long outputs = weight.Shape[transposed ? 0 : 1],
            inputs = weight.Shape[transposed ? 1 : 0];
        Constant? bias = node.HasInput(2) ? node.Constant(2) : null;
        bool wide = bias is { Transposed: false } && bias.Count == outputs && bias.Shape is [_] or [1, _];
        List<LayerTensor> tensors = [new("weight", weight, [outputs, inputs], Transpose: !transposed)];
        if (wide)
            tensors.Add(new("bias", bias, [outputs]));
        LinearLayer layer = new(inputs, outputs, wide);
        if (wide || !node.HasInput(2))
        {
            node.Layer(layer, node.Value(0), tensors, "fc");
            return;
        }

        throw node.Unsupported("a third matrix that is no bias");
    }
}
